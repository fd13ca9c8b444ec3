"""The fenced blocks of a Markdown page, and what an answer shown there leaves open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_HOLES = re.compile(r"(\.\.\.|<[a-z]+>)")
_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """``lines`` of one block; ``line`` is where its text begins in the page."""

    language: str
    lines: tuple[str, ...]
    line: int


def blocks(page: str) -> Iterator[Block]:
    for found in _BLOCK.finditer(page):
        yield Block(found["language"], tuple(found["text"].splitlines()), page.count("\n", 0, found.start()) + 2)


def missing(expected: Iterable[str], output: Iterable[str], names: dict[str, str]) -> str | None:
    """The first expected line that does not follow in the output, in order; other lines may stand between.

    ``...`` is any text, spaces any number of them. ``<name>`` is a word: the same wherever the name stands, and another
    than every other name's; ``names`` keeps them from one answer to the next.
    """
    rest = iter(output)
    for line in expected:
        if not any(_matches(line, found, names) for found in rest):
            return line
    return None


def _matches(line: str, found: str, names: dict[str, str]) -> bool:
    pattern = "".join(_part(part, names) for part in _HOLES.split(" ".join(line.split())))
    match = re.fullmatch(pattern, " ".join(found.split()))
    if match is None:
        return False
    fresh = match.groupdict()
    if set(fresh.values()) & set(names.values()):
        return False
    names.update(fresh)
    return True


def _part(part: str, names: dict[str, str]) -> str:
    if part == "...":
        return ".*"
    name = part.strip("<>") if _HOLES.fullmatch(part) else ""
    if not name:
        return re.escape(part)
    return re.escape(names[name]) if name in names else f"(?P<{name}>[A-Za-z0-9_-]+)"
