"""The plugin's fixtures without the plugin: the suite must not depend on how it is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from idp.testing import Idp, Starter


@pytest.fixture(scope="session")
def starter() -> Iterator[Starter]:
    starter = Starter()
    yield starter
    starter.close()


@pytest.fixture
def idp(starter: Starter) -> Iterator[Idp]:
    with starter.fresh() as found:
        yield found


@pytest.fixture
def live_idp(starter: Starter) -> Iterator[Idp]:
    with starter.fresh(socket_too=True) as found:
        yield found
