"""Each test of this folder that takes ``house``, ``houses`` or ``store`` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from store_values import House

from idp.store.database import Database

KINDS = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
Houses = Callable[[], AbstractContextManager[House]]


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def houses(kind: str, request: pytest.FixtureRequest) -> Houses:
    """``with houses() as house``: a fresh one, as many side by side as wanted."""

    @contextmanager
    def sqlite() -> Iterator[House]:
        found = House.build()
        yield found
        found.database.close()

    @contextmanager
    def postgres() -> Iterator[House]:
        from support.postgres import emptied

        with emptied(request.getfixturevalue("cluster")) as bridge:
            yield House.furnished(bridge)

    return sqlite if kind == "sqlite" else postgres


@pytest.fixture
def house(houses: Houses) -> Iterator[House]:
    with houses() as found:
        yield found


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """An empty database without any table."""
    if kind == "sqlite":
        found = Database(tmp_path / "test.sqlite3")
        yield found
        found.close()
        return
    from support.postgres import blank

    with blank(request.getfixturevalue("cluster")) as bridge:
        yield bridge
