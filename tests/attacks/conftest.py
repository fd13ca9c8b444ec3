from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from attack_support import Browser, Production, World
from attack_world import MANIFEST, WIDE

from idp.testing import RunningServer, running_server

# A client library of the test writes what it sends; only what the server says counts.
_OURS = ("idp", "uvicorn", "sqlalchemy", "alembic", "authlib", "joserfc", "starlette", "root")

_WORLDS = ("fresh", "production", "world")


@pytest.fixture(scope="module")
async def world(anyio_backend: str) -> AsyncIterator[World]:
    """One provider a file: tests that turn its people or its clock take ``fresh``.

    Its clock stands still, so all that fails in a file counts together: its limits are wide, not those of ``fresh``.
    """
    async with World(**WIDE) as started:
        yield started


@pytest.fixture
async def fresh(anyio_backend: str) -> AsyncIterator[World]:
    async with World() as started:
        yield started


@pytest.fixture(scope="module")
async def production(anyio_backend: str) -> AsyncIterator[World]:
    """As the world is, under ``serve``."""
    async with World(Production()) as started:
        yield started


@pytest.fixture(scope="module")
def socket_server() -> Iterator[RunningServer]:
    """On a real port, for bytes no client library would send."""
    with running_server() as server:
        server.apply(MANIFEST)
        yield server


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Browser:
    """A browser at this test's provider."""
    name = next((name for name in _WORLDS if name in request.fixturenames), "world")
    started: World = request.getfixturevalue(name)
    return started.browser()


@pytest.fixture(autouse=True)
def no_secret_in_logs(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """U4 in every test: nothing issued appears in any log line, at any level."""
    caplog.set_level(logging.DEBUG)
    worlds: list[World] = [request.getfixturevalue(name) for name in _WORLDS if name in request.fixturenames]
    yield
    records = [record for record in caplog.get_records("call") if record.name.partition(".")[0] in _OURS]
    text = "\n".join(record.getMessage() for record in records)
    leaked = [secret[:12] for started in worlds for secret in started.issued if secret in text]
    assert not leaked, f"{len(leaked)} secrets in the log, such as {leaked[0]}..."
