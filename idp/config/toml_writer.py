"""Writes values as TOML 1.0: only what the apply file and the settings hold, one member a line, order as given."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def toml_table(header: str, members: Mapping[str, Any]) -> str:
    """``[[header]]`` and its members, with an empty line before; a member that is None is left out."""
    return "\n".join(["", f"[[{header}]]", *_members(members), ""])


def toml_value(value: Any) -> str:
    """One value on one line: text, number, truth, list or (inline) table. Raises TypeError for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml_value(item) for item in value if item is not None)}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_members(value))} }}" if any(True for _ in _members(value)) else "{}"
    raise TypeError(f"TOML has no {type(value).__name__}")


def toml_text(text: str) -> str:
    """A basic string. What a terminal might obey, and what no eye can see, is written as its code point."""
    return f'"{"".join(map(_character, text))}"'


def _members(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        if value is not None:
            yield f"{name if _BARE.fullmatch(name) else toml_text(name)} = {toml_value(value)}"


def _character(one: str) -> str:
    if one in _SHORT:
        return _SHORT[one]
    if one.isprintable():
        return one
    return f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"
