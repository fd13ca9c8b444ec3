"""The provider in-process: requests go straight into the ASGI application, no socket, no thread."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from idp.app import Application, build
from idp.control.operations import run
from idp.features import FEATURES, Feature
from idp.server import Server
from idp.testing.clock import MovingClock
from idp.testing.seed import apply_seed, apply_text, test_settings

ISSUER = "http://localhost:8000"


class Provider:
    """``async with Provider() as provider``: alice, bob, ``sample`` and ``service`` are there.

    ``http`` is an ``httpx2.AsyncClient`` at the issuer that keeps cookies and follows no redirect; ``options`` are
    settings by name, a dot written ``__`` (``lifetimes__access_token=5``).
    """

    def __init__(
        self,
        *,
        issuer: str = ISSUER,
        clock: MovingClock | None = None,
        data_dir: Path | None = None,
        features: Sequence[Feature] = FEATURES,
        **options: Any,
    ) -> None:
        self.clock = clock or MovingClock()
        self.issuer = issuer
        self._features = features
        self._options = options
        self._folder = tempfile.TemporaryDirectory(prefix="idp-test-") if data_dir is None else None
        self.data_dir = data_dir or Path(self._folder.name if self._folder else ".")

    async def __aenter__(self) -> Self:
        settings = test_settings(self.data_dir, self.issuer, **self._options)
        self.application: Application = build(settings, features=self._features, clock=self.clock)
        await self.application.start()
        await apply_seed(self.server)
        self.http = self.browser()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()
        await self.application.stop()
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def server(self) -> Server:
        return self.application.server

    def browser(self, **headers: str) -> httpx2.AsyncClient:
        """Another client with cookies of its own."""
        transport = httpx2.ASGITransport(app=self.application)
        return httpx2.AsyncClient(transport=transport, base_url=self.issuer, headers=headers)

    async def advance(self, seconds: float) -> None:
        """Move the clock, then let every job see it."""
        self.clock.advance(seconds)
        await self.application.jobs.run_all()

    async def apply(self, text: str) -> dict[str, Any]:
        """Apply a TOML text: clients, people, scopes, resources."""
        return await apply_text(self.server, text, self.data_dir)

    async def control(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """An operation as a command would run it."""
        return await run(self.server, operation, arguments)

    async def token_for(self, person: str, **arguments: Any) -> str:
        """An access token for a person, issued to ``sample`` unless ``client`` says otherwise."""
        return str((await self.control("token", person=person, **arguments))["access_token"])
