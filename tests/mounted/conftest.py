"""A provider mounted in an app that keeps its people itself; a browser, and what each test adds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support import SPA, WEB, Visitor, register
from support.mounted import MountedProvider
from users_table import Users

from idp.hooks import Hooks


@pytest.fixture
def users() -> Users:
    return Users()


@pytest.fixture
async def provider(users: Users, tmp_path: Path) -> AsyncIterator[MountedProvider]:
    async with MountedProvider(hooks=Hooks(accounts=users), data_dir=tmp_path) as started:
        await register(started, WEB, SPA)
        yield started


@pytest.fixture
async def visitor(provider: MountedProvider) -> AsyncIterator[Visitor]:
    browser = Visitor(provider)
    yield browser
    await browser.aclose()
