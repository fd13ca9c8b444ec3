"""Reading JSON from strangers: one meaning only, and bounded work (RFC 8259, RFC 7515 section 4)."""

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from .errors import JoseError, shown

MAX_DIGITS = 32
# An unclosed string matches too (the closing quote is optional), so that the scan stays linear on any input.
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{\]}]', re.DOTALL)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JoseError("malformed", f'the JSON member "{shown(_twice(pairs))}" stands there more than once')
    return members


def _twice(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _number(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if len(text) > MAX_DIGITS:
            raise JoseError("malformed", f"a number has {len(text)} digits, expected at most {MAX_DIGITS}")
        value = kind(text)
        if not math.isfinite(value):
            raise JoseError("malformed", f"the number {shown(text)} is out of range")
        return value

    return read


def _constant(name: str) -> NoReturn:
    raise JoseError("malformed", f"{name} is not JSON")


_decoder = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_number(int),
    parse_float=_number(float),
    parse_constant=_constant,
)


def _check_depth(text: str, max_depth: int) -> None:
    # Few openers cannot nest deeply: the usual token is passed by two counts.
    if text.count("{") + text.count("[") <= max_depth:
        return
    depth = 0
    for match in _STRUCTURE.finditer(text):
        mark = match[0]
        if mark in "{[":
            depth += 1
            if depth > max_depth:
                raise JoseError("malformed", f"the JSON is nested deeper than {max_depth} levels")
        elif mark in "]}":
            depth -= 1


def loads_strict(data: bytes, max_depth: int = 16) -> Any:
    """The value of the UTF-8 JSON text ``data``.

    Refused with ``JoseError("malformed")``: other encodings, a byte order mark, duplicate members, NaN and
    infinities, numbers of more than 32 characters, lone surrogates, nesting deeper than ``max_depth``. The
    caller bounds the size.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JoseError("malformed", "the JSON is not UTF-8") from error
    _check_depth(text, max_depth)
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise JoseError("malformed", f"not JSON: {error.msg} at character {error.pos}") from error
    if "\\u" in text:
        _check_surrogates(value)
    return value


def _check_surrogates(value: Any) -> None:
    # An escaped half of a surrogate pair parses, and then fails wherever the text is encoded next.
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise JoseError("malformed", "a JSON string holds half of a surrogate pair") from error
