"""A TOML file together with the line each of its values stands on.

The standard parser forgets positions and a refusal must name its line; so a valid file is walked a second
time, only to find where keys and list elements begin.
"""

from __future__ import annotations

import bisect
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .problems import ConfigurationError, Problem, quoted

Place = tuple[str | int, ...]

_BARE_VALUE_END = re.compile(r"[,\]}\n#]")
_KEY = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t\r]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_MAX_BYTES = 4 * 1024 * 1024


class TomlSource:
    """``tables`` is the content, ``line(place)`` where a value stands, ``name`` the file in messages."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        try:
            self.tables: Mapping[str, Any] = tomllib.loads(text)
            self._lines = _Walk(text.replace("\r\n", "\n")).lines()
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError([_not_toml(str(error), name)]) from None
        except RecursionError:
            raise ConfigurationError([_not_toml("nested too deeply", name)]) from None

    def line(self, place: Place) -> int | None:
        """The line of ``place``, or of the nearest table around it when the value itself is not written."""
        while place:
            if place in self._lines:
                return self._lines[place]
            place = place[:-1]
        return None


def read_toml(path: Path) -> TomlSource:
    """Read one file. Raises ConfigurationError when it is missing, too large, not UTF-8 or not TOML."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigurationError([_unreadable(path, f"more than {_MAX_BYTES} bytes", "a smaller file")])
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigurationError([_unreadable(path, error.strerror or "unreadable", "a readable file")]) from None
    except UnicodeDecodeError as error:
        problem = _unreadable(path, f"byte {error.object[error.start]:#04x} at offset {error.start}", "UTF-8 text")
        raise ConfigurationError([problem]) from None
    return TomlSource(text, str(path))


def _unreadable(path: Path, received: str, expected: str) -> Problem:
    return Problem(
        rule="the file must be readable TOML",
        received=received,
        expected=expected,
        mend=f"check the file {path}",
        where=str(path),
    )


def _not_toml(message: str, name: str) -> Problem:
    found = re.search(r"at line (\d+), column (\d+)", message)
    reason = re.sub(r"\s*\(at .*\)$", "", message)
    return Problem(
        rule="the file must be TOML",
        received=quoted(reason),
        expected="name = value, one a line",
        mend=f"look at column {found[2]}" if found else "look at the end of the file",
        where=name,
        line=int(found[1]) if found else None,
    )


class _Walk:
    """Walks text that is known to be valid TOML and notes where every key and element begins."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._found: dict[Place, int] = {}
        self._rows: dict[Place, int] = {}

    def lines(self) -> dict[Place, int]:
        table: Place = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._found

    def _header(self) -> Place:
        start = self._at
        many = self._text.startswith("[[", start)
        self._at += 2 if many else 1
        *parents, last = self._key()
        self._at += 2 if many else 1
        place: Place = ()
        for name in parents:
            place = self._row((*place, name))
        place = (*place, last)
        if many:
            self._rows[place] = self._rows.get(place, -1) + 1
            self._note(place, start)
        place = self._row(place)
        self._note(place, start)
        return place

    def _row(self, place: Place) -> Place:
        # A header below [[name]] speaks of that array's latest table.
        return (*place, self._rows[place]) if place in self._rows else place

    def _pair(self, table: Place) -> None:
        start = self._at
        place = table
        for name in self._key():
            place = (*place, name)
            self._note(place, start)
        self._at += 1
        self._skip(_SPACE)
        self._value(place)

    def _key(self) -> list[str]:
        names = []
        while True:
            self._skip(_SPACE)
            found = _KEY.match(self._text, self._at)
            if found is None:
                raise ValueError(f"no key at offset {self._at}")
            self._at = found.end()
            names.append(_plain(found[0]))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _value(self, place: Place) -> None:
        first = self._text[self._at]
        if first == "[":
            self._list(place)
        elif first == "{":
            self._inline_table(place)
        elif first in "\"'":
            self._string(first)
        else:
            found = _BARE_VALUE_END.search(self._text, self._at)
            self._at = found.start() if found else len(self._text)

    def _list(self, place: Place) -> None:
        self._at += 1
        index = 0
        self._skip(_BLANK)
        while self._text[self._at] != "]":
            self._note((*place, index), self._at)
            self._value((*place, index))
            index += 1
            self._comma()
        self._at += 1

    def _inline_table(self, place: Place) -> None:
        self._at += 1
        self._skip(_BLANK)
        while self._text[self._at] != "}":
            self._pair(place)
            self._comma()
        self._at += 1

    def _comma(self) -> None:
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)

    def _string(self, quote: str) -> None:
        # Up to two quotes may stand right before the closing three.
        long = self._text.startswith(quote * 3, self._at)
        body = r"(?:\\.|[^\\])*?" if quote == '"' else r".*?"
        close = quote * 3 + f"(?!{quote})" if long else quote
        found = re.compile(f"{quote * 3 if long else quote}{body}{close}", re.DOTALL).match(self._text, self._at)
        if found is None:
            raise ValueError(f"no string at offset {self._at}")
        self._at = found.end()

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()

    def _note(self, place: Place, at: int) -> None:
        self._found.setdefault(place, bisect.bisect_right(self._starts, at))


def _plain(key: str) -> str:
    if key[0] not in "\"'":
        return key
    return str(next(iter(tomllib.loads(f"{key} = 0"))))
