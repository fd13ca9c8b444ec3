"""Running the application under uvicorn on this process's loop, with the control socket beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator

import uvicorn

from idp.app import Application, build
from idp.control.calling import only_opener
from idp.control.listening import listening
from idp.serving import server_config
from idp.settings import Settings

Ready = Callable[[Application], Awaitable[None]]


def run(settings: Settings, ready: Ready) -> None:
    """Serve until a signal ends it. ``ready`` runs once the address answers."""
    with only_opener(settings.data_dir):
        application = build(settings)
        config = server_config(application, host=settings.listen_host, port=settings.listen_port)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_serve(_Server(config), application, ready))


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


async def _serve(server: _Server, application: Application, ready: Ready) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    await application.start()
    try:
        async with listening(application.server):
            serving = asyncio.create_task(server.serve())
            started = asyncio.create_task(server.answers.wait())
            await asyncio.wait([serving, started], return_when=asyncio.FIRST_COMPLETED)
            if server.answers.is_set():
                await ready(application)
            started.cancel()
            await serving
    finally:
        await application.stop()


def log_to_stderr(level: int = logging.INFO) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("uvicorn", "alembic", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
