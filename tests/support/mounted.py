"""The provider as a part of somebody's app, mounted under a path, for the tests of the stand-alone one."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from idp.features import FEATURES
from idp.hooks import Hooks
from idp.mounting import asgi
from idp.testing import MovingClock, Provider
from idp.testing.provider import ISSUER
from idp.testing.seed import apply_seed

MOUNTED = f"{ISSUER}/auth"


class MountedProvider(Provider):
    """No lifespan: the first request starts it, as under a host that passes none."""

    def __init__(
        self, *, issuer: str = MOUNTED, data_dir: Path | None = None, hooks: Hooks | None = None, **options: Any
    ) -> None:
        features = options.pop("features", FEATURES)
        clock = options.pop("clock", None) or MovingClock()
        super().__init__(issuer=issuer, clock=clock, data_dir=data_dir, features=features, **options)
        self.mounted = asgi(
            mode="dev", issuer=issuer, data_dir=self.data_dir, features=features, clock=clock, hooks=hooks, **options
        )
        routes = [Route("/", front_page), Mount(urlsplit(issuer).path, app=self.mounted)]
        self.host = Starlette(routes=[*self.mounted.well_known_routes, *routes])

    async def __aenter__(self) -> Self:
        self.http = self.browser()
        (await self.http.get("/healthz")).raise_for_status()
        self.application = self.mounted.application
        await apply_seed(self.server)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()
        async with self.mounted.lifespan():
            pass
        if self._folder is not None:
            self._folder.cleanup()

    def browser(self, **headers: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.host)
        return httpx2.AsyncClient(transport=transport, base_url=self.issuer, headers=headers)


async def front_page(request: object) -> PlainTextResponse:
    return PlainTextResponse("the host's own page")
