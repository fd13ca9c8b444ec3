"""What commands that list many things share: pages, and what to say where there is nothing yet."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sized
from typing import Any, TypeVar

import click

from idp.cli import say

C = TypeVar("C", bound=Callable[..., Any])


def page_options(key: str) -> Callable[[C], C]:
    """``--after`` and ``--limit`` of a list that is ordered by ``key``."""

    def decorate(command: C) -> C:
        limit = click.option(
            "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The most in one page."
        )
        after = click.option("--after", default="", metavar="NAME", help=f"Begin behind this {key}.")
        return after(limit(command))

    return decorate


def more(command: str, last: str, limit: int) -> None:
    """The page was full: the command that shows the next one."""
    say.note(f"there are more than these {limit}")
    say.next_commands((f"{command} --after {shlex.quote(say.printable(last))} --limit {limit}", "the next page"))


def none_yet(rows: Sized, what: str, how: str) -> None:
    if not rows:
        say.note(f"no {what} yet")
        say.next_commands((how, "the first one"))
