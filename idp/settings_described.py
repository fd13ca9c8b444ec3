"""Every setting as documentation shows it: the one source of the reference page and of the file ``idp init`` writes."""

from __future__ import annotations

from typing import NamedTuple

from .config.toml_literal import toml_literal
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
            toml_literal(field.default),
            field.meaning,
            variable_of(name),
            name not in NOT_IN_FILE,
        )
        for name, field in settable()
    )
