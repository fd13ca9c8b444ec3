"""The provider on a free loopback port, in a thread of this process: for browsers and foreign clients."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from idp.app import Application, build
from idp.control.listening import listening
from idp.control.operations import run
from idp.serving import server_config
from idp.serving_drain import FrontServer
from idp.testing.clock import MovingClock
from idp.testing.seed import apply_seed, apply_text, test_settings


class RunningServer:
    """``issuer`` is where it listens; ``clock`` follows real time and may be moved ahead."""

    def __init__(self, issuer: str, data_dir: Path, clock: MovingClock) -> None:
        self.issuer = issuer
        self.data_dir = data_dir
        self.clock = clock
        self.loop = asyncio.new_event_loop()
        self.application: Application

    def control(self, operation: str, **arguments: Any) -> dict[str, Any]:
        result: dict[str, Any] = self._in_loop(run(self.application.server, operation, arguments))
        return result

    def apply(self, text: str) -> dict[str, Any]:
        result: dict[str, Any] = self._in_loop(apply_text(self.application.server, text, self.data_dir))
        return result

    def token_for(self, person: str, **arguments: Any) -> str:
        return str(self.control("token", person=person, **arguments)["access_token"])

    def advance(self, seconds: float) -> None:
        """Move the clock, then let every job see it."""
        self.clock.advance(seconds)
        self._in_loop(self.application.jobs.run_all())

    def _in_loop(self, work: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(30)


@contextmanager
def running_server(
    *, data_dir: Path | None = None, host: str = "localhost", port: int = 0, **options: Any
) -> Iterator[RunningServer]:
    """Serve until the block ends. ``host`` is a loopback name; ``options`` are settings, a dot written ``__``."""
    # The protocol is named: asyncio turns Nagle's algorithm off (40 ms an answer) only where it reads "TCP".
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with tempfile.TemporaryDirectory(prefix="idp-test-") as folder, tcp as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        issuer = f"http://{host}:{listener.getsockname()[1]}"
        server = RunningServer(issuer, data_dir or Path(folder), MovingClock(follow=time.time))
        settings = test_settings(server.data_dir, issuer, **options)
        server.application = build(settings, clock=server.clock)
        runner = FrontServer(server_config(server.application), server.application.server)
        ready: Future[None] = Future()
        thread = threading.Thread(target=_run, args=(server, runner, listener, ready), daemon=True)
        thread.start()
        ready.result(30)
        try:
            yield server
        finally:
            runner.should_exit = True
            thread.join(15)


def _run(server: RunningServer, runner: FrontServer, listener: socket.socket, ready: Future[None]) -> None:
    asyncio.set_event_loop(server.loop)
    try:
        server.loop.run_until_complete(_serve(server, runner, listener, ready))
    except BaseException as error:
        if not ready.done():
            ready.set_exception(error)
        else:
            raise
    finally:
        server.loop.close()


async def _serve(server: RunningServer, runner: FrontServer, listener: socket.socket, ready: Future[None]) -> None:
    await server.application.start()
    try:
        await apply_seed(server.application.server)
        async with listening(server.application.server):
            serving = asyncio.create_task(runner.serve(sockets=[listener]))
            while not runner.started and not serving.done():  # noqa: ASYNC110 - the library has no event for it
                await asyncio.sleep(0.005)
            ready.set_result(None)
            await serving
    finally:
        await server.application.stop()
