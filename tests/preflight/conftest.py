"""One provider a module: everything mounted, set and inhabited as the profile ``conformance`` has it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from preflight_support import SUITE, Tried

from idp.cli.conformance import SETTINGS, manifest
from idp.testing import Provider

ISSUER = "https://op.localhost:9443"



@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[Provider]:
    options = {name.replace(".", "__"): value for name, value in SETTINGS.items()}
    async with Provider(issuer=ISSUER, **options) as started:
        await started.apply(manifest(SUITE))
        yield started


@pytest.fixture
async def tried(provider: Provider) -> AsyncIterator[Tried]:
    """A browser of its own, as every module of the suite has one."""
    trial = await Tried.of(provider)
    yield trial
    await trial.visitor.aclose()
