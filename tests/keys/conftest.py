from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from key_support import Clock, open_database

from idp.store.database import Database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "idp.db")
    yield opened
    opened.close()
