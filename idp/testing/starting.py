"""Starting a provider for a test in a few milliseconds: one is made and seeded, and every test gets a copy of it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from idp.app import DATABASE_FILE, build, make_server
from idp.control.listening import listening
from idp.features import FEATURES
from idp.keyring import generate_key_encryption_key
from idp.server import Server
from idp.serving import server_config
from idp.serving_drain import FrontServer
from idp.settings import Settings
from idp.testing.clock import MovingClock
from idp.testing.faults import Front
from idp.testing.fixture import Idp
from idp.testing.portal import Portal
from idp.testing.seed import apply_text, prepare_seeded, read_file, test_settings
from idp.web.pages import Pages

ISSUER = "http://localhost:8000"
# Running for two days already, as a provider that is tested against is: its waiting keys have waited long enough to
# take over, and a clock that is set back by up to a day still finds a key that signs.
_UP = 172_800.0


def _now() -> float:
    # Looked up at each call, so that a program that freezes time.time freezes the provider with it.
    return time.time()


class Starter:
    """Makes the first provider when it is first asked, and copies of it from then on. ``close`` clears up.

    ``manifest`` is an apply file, or its text, beside alice, bob, ``sample`` and ``service``; ``options`` are settings,
    a dot written ``__``.
    """

    def __init__(self, manifest: str | Path | None = None, options: Mapping[str, Any] | None = None) -> None:
        self._manifest = manifest
        self._options = dict(options or {})
        self._folder = tempfile.TemporaryDirectory(prefix="idp-test-")
        self._root = Path(self._folder.name)
        self._count = 0
        self._first: Server | None = None
        self.portal = Portal()

    def close(self) -> None:
        self.portal.close()
        self._folder.cleanup()

    @contextmanager
    def fresh(self, *, socket_too: bool = False, **options: Any) -> Iterator[Idp]:
        """A provider of the block's own. ``socket_too``: it listens on a free port of this machine as well."""
        if socket_too:
            with _listener() as listener, self._started(_issuer_at(listener), listener, options) as idp:
                yield idp
        else:
            with self._started(str(self._options.get("issuer", ISSUER)), None, options) as idp:
                yield idp

    @contextmanager
    def _started(self, issuer: str, listener: socket.socket | None, options: Mapping[str, Any]) -> Iterator[Idp]:
        first = self._first_one()
        self._count += 1
        folder = self._root / str(self._count)
        folder.mkdir(mode=0o700)
        try:
            shutil.copyfile(self._root / "first" / DATABASE_FILE, folder / DATABASE_FILE)
            clock = MovingClock(follow=_now)
            application = build(self._settings(folder, issuer, options), clock=clock)
            application.server.keyring.take_over(first.keyring)
            self.portal.call(application.start())
            idp = Idp(application, Front(application, clock), clock, self.portal, folder)
            try:
                serving = self.portal.call(_served(idp, listener)) if listener is not None else None
                yield idp
                if serving is not None:
                    self.portal.call(serving.stop())
            finally:
                self.portal.call(application.stop())
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _first_one(self) -> Server:
        """The one that is copied: closed, but for its open keys."""
        if self._first is None:
            generate_key_encryption_key(self._root / "key-encryption-key")
            settings = self._settings(self._root / "first", ISSUER, {})
            features = [feature for feature in FEATURES if feature.active(settings)]
            server = make_server(settings, features, MovingClock(time.time() - _UP))
            making = self.portal.submit(_made(server, self._asked()))
            Pages(settings.templates_dir, settings.locale)  # compiles the pages while the keys are made
            making.result()
            self._first = server
        return self._first

    def _asked(self) -> tuple[str, Path] | None:
        return None if self._manifest is None else read_file(self._manifest, self._root)

    def _settings(self, folder: Path, issuer: str, options: Mapping[str, Any]) -> Settings:
        usual = {"key_encryption_key_file": str(self._root / "key-encryption-key"), "synchronous": "NORMAL"}
        return test_settings(folder, **{**usual, **self._options, **options, "issuer": issuer})


async def _made(server: Server, asked: tuple[str, Path] | None) -> None:
    await prepare_seeded(server)
    if asked is not None:
        await apply_text(server, *asked)
    server.passwords.close()
    await server.outbound.aclose()
    await server.database.aclose()


class _Serving:
    def __init__(self, idp: Idp, listener: socket.socket) -> None:
        config = server_config(idp.application)
        config.app = idp.front
        config.date_header = False  # the front's follows the provider's clock
        self._server = FrontServer(config, idp.application.server)
        self._listener = listener
        self._control = listening(idp.application.server)

    async def start(self) -> None:
        await self._control.__aenter__()
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        answers = asyncio.create_task(self._server.answers.wait())
        await asyncio.wait((answers, self._task), return_when=asyncio.FIRST_COMPLETED)
        if not answers.done():
            answers.cancel()
            await self._task

    async def stop(self) -> None:
        self._server.end_at_once()
        await self._task
        await self._control.__aexit__(None, None, None)


async def _served(idp: Idp, listener: socket.socket) -> _Serving:
    serving = _Serving(idp, listener)
    await serving.start()
    return serving


def _listener() -> socket.socket:
    # The protocol is named: asyncio turns Nagle's algorithm off (40 ms an answer) only where it reads "TCP".
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    return listener


def _issuer_at(listener: socket.socket) -> str:
    return f"http://localhost:{listener.getsockname()[1]}"


@contextmanager
def started(manifest: str | Path | None = None, *, socket_too: bool = False, **options: Any) -> Iterator[Idp]:
    """``with started() as idp``: one provider, without pytest."""
    starter = Starter(manifest, options)
    try:
        with starter.fresh(socket_too=socket_too) as idp:
            yield idp
    finally:
        starter.close()
