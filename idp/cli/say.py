"""How commands speak: results on stdout, everything else on stderr, times as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from idp.config.problems import Problem

_LONGEST = 253_402_000_000  # a few days before the year 10000, past which calendars give up


def line(text: str = "") -> None:
    """A line of the result."""
    click.echo(text)


def note(text: str) -> None:
    """A line beside the result: it does not disturb ``T=$(idp token alice)``."""
    click.echo(text, err=True)


def next_commands(*commands: tuple[str, str]) -> None:
    """What is useful now, each with its reason."""
    note("")
    for command, reason in commands:
        note(f"next  {click.style(command, bold=True)}  # {reason}")


def refused(rule: str, received: str, expected: str, mend: str, place: str = "") -> None:
    """A refusal in its four parts."""
    head = f"{place}: {rule}" if place else rule
    note(click.style(printable(head), fg="red", bold=True))
    for name, text in (("received", received), ("expected", expected), ("mend", mend)):
        if text:
            note(f"  {name:<9} {printable(text)}")


def problem(found: Problem) -> None:
    place = f"{found.where}:{found.line}" if found.line else found.where
    refused(found.rule, found.received, found.expected, found.mend, place)


def printable(text: str) -> str:
    """A stranger's text without anything a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def span(seconds: float) -> str:
    """``252`` -> ``4 min 12 s``; at most two units."""
    rest = round(abs(seconds))
    parts: list[tuple[int, str]] = []
    for name, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or (parts and len(parts) < 2):
            parts.append((count, name))
    shown = [f"{count} {name}" for count, name in parts[:2] if count]
    return " ".join(shown) or "0 s"


def moment(at: float, now: float) -> str:
    """A unix time as local time and as the distance from now."""
    if not 0 <= at < _LONGEST:
        return "no date"
    local = datetime.fromtimestamp(at).astimezone()
    distance = f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"
    return f"{local:%d %b %Y %H:%M:%S %Z}, {distance}"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their content; the heads are left out where nobody reads them."""
    texts = [[printable(str(cell)) for cell in row] for row in rows]
    shown = [list(heads), *texts] if texts else []
    widths = [max(len(row[column]) for row in shown) for column in range(len(heads))] if shown else []
    for index, row in enumerate(shown):
        text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(text, dim=True) if index == 0 else text)


def wants_colour(environ_no: str | None, environ_force: str | None) -> bool | None:
    """no-color.org: NO_COLOR beats FORCE_COLOR; neither leaves it to whether stdout is a terminal."""
    if environ_no:
        return False
    return True if environ_force else None
