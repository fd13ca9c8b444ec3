"""What was wrong with something an operator wrote, in the four parts that let them mend it.

A leaf: settings, the apply file, registration checks and commands all report in this one shape.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One refusal. ``received`` never holds a secret; ``line`` counts from 1 and is None outside a file."""

    rule: str
    received: str
    expected: str
    mend: str
    where: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}" if self.line else self.where
        head = f"{place}: {self.rule}" if place else self.rule
        return f"{head}\n  received  {self.received}\n  expected  {self.expected}\n  mend      {self.mend}"


class ConfigurationError(Exception):
    """Everything found wrong in one reading, so that one edit can mend it all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name most likely meant by ``name``, or None when nothing is close."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None


def quoted(value: object, limit: int = 120) -> str:
    """A value as one printable line, cut at ``limit`` characters, for a message or a terminal."""
    text = str(value).lower() if isinstance(value, bool) else ascii(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def unknown_name(
    kind: str, name: str, known: Sequence[str], where: str = "", without: str = "remove the line"
) -> Problem:
    """The refusal of a name nobody reads: a silent typing mistake would be an open door."""
    guess = nearest(name, known)
    return Problem(
        rule=f"unknown {kind}",
        received=quoted(name),
        expected=f"one of {', '.join(sorted(known))}",
        mend=f"write {guess!r}" if guess else without,
        where=where,
    )
