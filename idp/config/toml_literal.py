"""A setting's default as it would stand in the settings file."""

from __future__ import annotations

from typing import Any

import msgspec


def toml_literal(value: Any) -> str:
    """TOML text; empty where there is no default."""
    if value is None or value is msgspec.NODEFAULT:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_literal, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_literal(key)} = {toml_literal(item)}" for key, item in value.items()) + " }"
    return msgspec.json.encode(str(value)).decode()
