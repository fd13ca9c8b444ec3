"""The browser apps' world, started once for a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from example_world import World, running_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("browser-apps")) as found:
        yield found
