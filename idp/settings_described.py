"""Every setting as documentation shows it: the one source of the reference page and of the file ``idp init`` writes."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from .settings import NOT_IN_FILE, settable, variable_of


class Row(NamedTuple):
    """One setting as documentation shows it. ``default`` is TOML text, empty where there is none."""

    name: str
    type: str
    default: str
    meaning: str
    variable: str
    in_file: bool


def describe() -> tuple[Row, ...]:
    """In the order they are declared."""
    return tuple(
        Row(
            name,
            field.type_name,
            _toml(field.default),
            field.meaning,
            variable_of(name),
            name not in NOT_IN_FILE,
        )
        for name, field in settable()
    )


def _toml(value: Any) -> str:
    if value is None or value is msgspec.NODEFAULT:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    return msgspec.json.encode(str(value)).decode()
