"""The provider inside somebody's Starlette or FastAPI app: ``Mount("/auth", app=asgi(...))`` (docs/mounting.md)."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from idp.app import Application, build
from idp.config.problems import nearest
from idp.control.applying import apply_file
from idp.control.calling import only_opener
from idp.control.listening import listening
from idp.features import FEATURES, Feature
from idp.features.announced import at_the_root
from idp.hooks import Hooks
from idp.hooks_running import check
from idp.settings import Mode, Settings, load, settable

log = logging.getLogger("idp.mounting")

_AGAIN_SECONDS = 1.0  # after a start that failed, until a request tries once more
# What the server is told of a request. The host's own entries, its routes and its state, are the host's.
_ASGI = ("type", "asgi", "http_version", "method", "scheme", "query_string", "headers", "client", "server")


def asgi(
    config: str | os.PathLike[str] | None = None,
    *,
    mode: Mode = "serve",
    apply: str | os.PathLike[str] | None = None,
    hooks: Hooks | None = None,
    features: Sequence[Feature] = FEATURES,
    clock: Callable[[], float] = time.time,
    **options: Any,
) -> Mounted:
    """A provider to mount. ``config`` is an ``idp.toml``, ``options`` are settings by name, a dot written ``__``
    (``lifetimes__access_token=60``); ``IDP_`` variables stand between the two. The issuer has the path of the mount.

    ``mode`` is that of ``idp serve`` or (``"dev"``) of ``idp dev``. ``apply`` is an apply file for every start.
    Raises SettingsError with everything that is wrong, and TypeError for a setting that does not exist.
    """
    known = dict(settable())
    for name in (name.replace("__", ".") for name in options):
        if name not in known:
            meant = nearest(name, list(known))
            raise TypeError(f"asgi() has no setting {name!r}{f', did you mean {meant!r}?' if meant else ''}")
    given = {
        name.replace("__", "."): str(value) if isinstance(value, os.PathLike) else value
        for name, value in options.items()
    }
    settings = load(Path(config) if config is not None else None, os.environ, mode, given)
    check(settings, hooks)

    def make() -> Application:
        return build(settings, features=features, clock=clock, hooks=hooks)

    return Mounted(settings, make, features, Path(apply) if apply is not None else None)


@dataclass(frozen=True, slots=True)
class _Running:
    loop: asyncio.AbstractEventLoop
    application: Application
    held: AsyncExitStack


class Mounted:
    """One provider as an ASGI application, for any path of any app.

    It starts at the first request, or with ``lifespan``. It ends with the latter, or with its event loop; in another
    loop it starts anew.
    """

    def __init__(
        self, settings: Settings, make: Callable[[], Application], features: Sequence[Feature], apply: Path | None
    ) -> None:
        self._settings = settings
        self._make = make
        self._apply = apply
        self._base = urlsplit(settings.issuer).path
        self._at_the_root = at_the_root(settings, features, self._base)
        self._alone = Router(lifespan=self.lifespan)
        self._running: _Running | None = None
        self._starting: asyncio.Task[_Running] | None = None
        self._guard: asyncio.Task[None] | None = None
        self._misplaced = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._alone(scope, receive, send)
            return
        root, path = scope.get("root_path", ""), scope["path"]
        if path == root or path.startswith(f"{root}/"):
            path = path[len(root) :]
        if root != self._base and not self._misplaced:
            self._misplaced = True
            self._tell_misplaced(root)
        await self._serve(scope, f"{self._base}{path}", receive, send)

    @property
    def application(self) -> Application:
        """The running provider. Raises RuntimeError before it has started."""
        if self._running is None:
            raise RuntimeError("the provider has not started: it does at the first request, or with its lifespan")
        return self._running.application

    @property
    def well_known_routes(self) -> list[BaseRoute]:
        """Routes for the app itself: the documents that RFC 8414 3.1 wants between the host and the issuer's path."""
        return [Route(path, _AtTheRoot(self, path)) for path in self._at_the_root]

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """For ``lifespan=`` of the app, or inside a lifespan of its own. Raises what the operator has to mend."""
        await self.ready()
        try:
            yield
        finally:
            if (guard := self._guard) is not None:
                guard.cancel()
                with suppress(asyncio.CancelledError):
                    await guard

    async def ready(self) -> Application:
        """Start, once, however many ask. Raises what the operator has to mend."""
        loop = asyncio.get_running_loop()
        if self._running is not None and self._running.loop is loop:
            return self._running.application
        starting = self._starting
        if starting is None or starting.get_loop() is not loop:
            if self._running is not None and self._running.loop.is_running():
                raise RuntimeError("one provider runs in one event loop: make another with asgi(...)")
            starting = self._starting = loop.create_task(self._start(loop), name="idp start")
        # Whoever asked first may leave; the others still wait for it.
        return (await asyncio.shield(starting)).application

    async def _start(self, loop: asyncio.AbstractEventLoop) -> _Running:
        async with AsyncExitStack() as held:
            try:
                alone = self._settings.database is None
                if alone:
                    held.enter_context(only_opener(self._settings.data_dir))
                application = self._make()
                held.push_async_callback(application.stop)
                await application.start()
                if self._apply is not None:
                    await apply_file(application.server, self._apply)
                if alone:
                    await held.enter_async_context(listening(application.server))
            except BaseException:
                loop.call_later(_AGAIN_SECONDS, self._forget)
                raise
            self._running = _Running(loop, application, held.pop_all())
        self._guard = loop.create_task(self._until_the_end(self._running), name="idp end")
        return self._running

    def _forget(self) -> None:
        self._starting = None

    async def _until_the_end(self, running: _Running) -> None:
        """A loop that ends cancels its tasks and waits for them: without a lifespan, that is when to stop."""
        try:
            await asyncio.Event().wait()
        finally:
            self._running = self._starting = None
            await running.held.aclose()

    async def _serve(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        running = self._running
        if running is None or running.loop is not asyncio.get_running_loop():
            try:
                await self.ready()
            except Exception as error:
                log.error("the provider did not start: %s", error, exc_info=error)
                await _unready(scope, send)
                return
        inner = {name: scope[name] for name in _ASGI if name in scope}
        await self.application({**inner, "path": path, "root_path": ""}, receive, send)

    def _tell_misplaced(self, root: str) -> None:
        log.warning(
            "the provider is not where its issuer is | received: requests under %s | expected: %s, of %s | mend: %s",
            root or "/",
            self._base or "/",
            self._settings.issuer,
            "mount it there; behind a proxy that cuts a prefix off, tell the server of it (uvicorn --root-path)",
        )


class _AtTheRoot:
    """One public document, for a route of the app itself."""

    def __init__(self, mounted: Mounted, path: str) -> None:
        self._mounted = mounted
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._mounted._serve(scope, self._path, receive, send)


async def _unready(scope: Scope, send: Send) -> None:
    if scope["type"] != "http":
        await send({"type": "websocket.close", "code": 1013})
        return
    body = b'{"error":"temporarily_unavailable","error_description":"The provider has not started; its log says why."}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"1"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
