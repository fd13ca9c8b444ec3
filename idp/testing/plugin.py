"""The pytest plugin (entry point ``idp.testing.plugin``). Loading it costs nothing: the server comes with a fixture.

``idp`` is a fresh provider for each test, ``idp_session`` one for the whole run; ``live_idp`` and ``live_idp_session``
listen on a port too. A project says what is in them by fixtures of its own, ``idp_manifest`` and ``idp_settings``, and
a test by ``@pytest.mark.idp(lifetimes__access_token=5)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from idp.testing import Idp, Starter


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "idp(**settings): settings of this test's provider, a dot written __")


@pytest.fixture(scope="session")
def idp_settings() -> dict[str, Any]:
    """Settings of every provider, by name, a dot written ``__``: for a project to put its own in its place."""
    return {}


@pytest.fixture(scope="session")
def idp_manifest() -> str | Path | None:
    """An apply file, or its text, that every provider starts with: for a project to put its own in its place."""
    return None


@pytest.fixture(scope="session")
def idp_starter(idp_settings: dict[str, Any], idp_manifest: str | Path | None) -> Iterator[Starter]:
    """What makes the providers of this run."""
    try:
        from idp.testing.starting import Starter
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] == "idp":
            raise
        pytest.fail(f"idp's fixtures are the server itself, which needs {missing.name}: pip install 'idp[server]'")
    starter = Starter(idp_manifest, idp_settings)
    yield starter
    starter.close()


@pytest.fixture
def idp(idp_starter: Starter, request: pytest.FixtureRequest) -> Iterator[Idp]:
    """A provider of this test alone, without a socket."""
    with idp_starter.fresh(**_marked(request)) as found:
        yield found


@pytest.fixture
def live_idp(idp_starter: Starter, request: pytest.FixtureRequest) -> Iterator[Idp]:
    """A provider of this test alone, on a free port: for browsers and other processes."""
    with idp_starter.fresh(socket_too=True, **_marked(request)) as found:
        yield found


@pytest.fixture(scope="session")
def idp_session(idp_starter: Starter) -> Iterator[Idp]:
    """One provider for the whole run, without a socket: what a test changes stays."""
    with idp_starter.fresh() as found:
        yield found


@pytest.fixture(scope="session")
def live_idp_session(idp_starter: Starter) -> Iterator[Idp]:
    """One provider for the whole run, on a free port: what a test changes stays."""
    with idp_starter.fresh(socket_too=True) as found:
        yield found


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("idp"))):
        found |= mark.kwargs
    return found
