"""Running the application under uvicorn on this process's loop, with the control socket beside it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

import uvicorn

from idp.app import Application, build
from idp.cli.trouble import Trouble
from idp.control.calling import only_opener
from idp.control.listening import listening
from idp.serving import server_config, several
from idp.settings import Settings

Ready = Callable[[Application], Awaitable[None]]


def run(
    settings: Settings,
    ready: Ready,
    *,
    before: Ready | None = None,
    sockets: Sequence[socket.socket] | None = None,
) -> None:
    """Serve until a signal ends it. ``before`` runs before the address answers, ``ready`` once it does.

    ``sockets`` are those a parent has bound for several processes; without them the address of the settings is taken.
    """
    with contextlib.ExitStack() as held:
        if sockets is None:
            # Before anything is made: a port in use is the commonest reason not to start.
            sockets = [held.enter_context(each) for each in bound(settings.listen_host, settings.listen_port)]
        if settings.database is None:
            held.enter_context(only_opener(settings.data_dir))
        application = build(settings)
        server = _Server(server_config(application))
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(_serve(server, sockets, application, ready, before))


def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at each address of ``host``, not listening yet. Raises Trouble where one cannot be had."""
    places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in places:
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            found.bind(address)
        except OSError as error:
            found.close()
            if error.errno == errno.EADDRNOTAVAIL and len(places) > 1:
                continue  # localhost is two addresses, and a machine may have only one of them
            raise Trouble(
                "the address is free and this user may bind it",
                received=f"{host}:{port}: {error.strerror}",
                expected="a port that nobody listens on",
                mend=f"stop what holds it, or take another: idp dev --port {port % 60_000 + 1}, or listen_port",
            ) from None
        yield found


class _Server(uvicorn.Server):
    """Signals are the process's affair: uvicorn would raise them again before our own clearing up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    server: _Server, sockets: Sequence[socket.socket], application: Application, ready: Ready, before: Ready | None
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    await application.start()
    try:
        if before is not None:
            await before(application)
        async with _control(application):
            serving = asyncio.create_task(server.serve([each for one in sockets for each in several(one)]))
            started = asyncio.create_task(server.answers.wait())
            await asyncio.wait([serving, started], return_when=asyncio.FIRST_COMPLETED)
            if server.answers.is_set():
                await ready(application)
                _settle_memory()
            started.cancel()
            await serving
    finally:
        await application.stop()


@contextlib.asynccontextmanager
async def _control(application: Application) -> AsyncIterator[None]:
    """With SQLite, commands come through this process (decision 5); to PostgreSQL they go by themselves."""
    if application.server.settings.database is not None:
        yield
        return
    async with listening(application.server):
        yield


def _settle_memory() -> None:
    """What start-up made lives for ever: the collector need not look at it again, nor so often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def log_to_stderr(level: int = logging.INFO) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("uvicorn", "alembic", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
