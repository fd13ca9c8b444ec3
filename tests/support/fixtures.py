"""Fixtures to import into a folder's conftest: one provider a module, a fresh browser a test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from idp.testing import Provider
from support.apps import NATIVE, SPA, WEB, register
from support.mounted import MountedProvider
from support.visitor import Visitor


@pytest.fixture(scope="module")
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    """Shared by a module, because its keys cost 0.2 s. A test that changes people or consents brings its own.

    With the parameter ``"mounted"`` it is a part of somebody's app.
    """
    make = MountedProvider if getattr(request, "param", "alone") == "mounted" else Provider
    async with make() as started:
        await register(started, WEB, SPA, NATIVE)
        yield started


@pytest.fixture
async def visitor(provider: Provider) -> AsyncIterator[Visitor]:
    browser = Visitor(provider)
    yield browser
    await browser.aclose()
