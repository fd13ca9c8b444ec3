"""Homes of an installation, on either database: what is backed up in one is restored in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from homes import Home

Homes = Callable[[str], Home]
KINDS = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def homes(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Homes]:
    """``homes(kind)``: an empty home, all of them under one key-encryption key and one clock."""
    made: list[Home] = []
    borrowed = ExitStack()

    def new(kind: str) -> Home:
        url = None
        if kind == "postgres":
            from support.postgres import blank

            url = borrowed.enter_context(blank(request.getfixturevalue("cluster"))).url
        first = made[0] if made else None
        home = Home(tmp_path / f"home-{len(made)}", url, tmp_path / "kek", *([first.clock] if first else []))
        made.append(home)
        return home

    with borrowed:
        yield new
