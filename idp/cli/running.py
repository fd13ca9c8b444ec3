"""Running the application under uvicorn on this process's loop, with the control socket beside it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from idp.app import Application, build
from idp.cli.listeners import Listeners, listeners
from idp.cli.trouble import Trouble
from idp.control.calling import only_opener
from idp.control.listening import listening
from idp.serving import plain_config, server_config, several
from idp.serving_drain import FrontServer, QuietServer
from idp.serving_tls import Certificate
from idp.settings import Settings
from idp.watch import traces
from idp.watch.traces import Tracing

Ready = Callable[[Application], Awaitable[None]]


def run(settings: Settings, ready: Ready, *, before: Ready | None = None, given: Listeners | None = None) -> None:
    """Serve until a signal ends it. ``before`` runs before the address answers, ``ready`` once it does.

    ``given`` makes this one of several processes: a parent has bound the addresses, and passes the signals on.
    """
    certificate = Certificate.of(settings)
    with contextlib.ExitStack() as held:
        found = given or held.enter_context(listeners(settings))
        if settings.database is None:
            held.enter_context(only_opener(settings.data_dir))
        application = build(settings, tracing=held.enter_context(traced()))
        server = FrontServer(server_config(application, certificate), application.server)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            _heed_signals(runner.get_loop(), server, certificate, alone=given is None)
            runner.run(_serve(server, found, application, ready, before))


@contextlib.contextmanager
def traced() -> Iterator[Tracing | None]:
    """Traces where the standard OTEL variables ask for them. Raises Trouble where this installation cannot."""
    try:
        tracing = traces.start(os.environ)
    except traces.NoTracing as no:
        raise Trouble(
            f"{no.variable} asks for traces", received=no.received, expected="the extra idp[otel]", mend=no.mend
        ) from None
    try:
        yield tracing
    finally:
        if tracing is not None:
            tracing.close()


def _heed_signals(
    loop: asyncio.AbstractEventLoop, server: FrontServer, certificate: Certificate | None, *, alone: bool
) -> None:
    """A second signal ends at once. To one of several processes the parent says so by another: a service manager tells
    parent and children, and the parent tells the children again.
    """

    def asked() -> None:
        if server.leaving:
            server.end_at_once()
        else:
            server.leave()

    if alone:
        loop.add_signal_handler(signal.SIGINT, asked)
        loop.add_signal_handler(signal.SIGTERM, asked)
    else:
        loop.add_signal_handler(signal.SIGTERM, server.leave)
        loop.add_signal_handler(signal.SIGQUIT, server.end_at_once)
    if certificate is not None:
        loop.add_signal_handler(signal.SIGHUP, certificate.read_again)


async def _serve(
    server: FrontServer, found: Listeners, application: Application, ready: Ready, before: Ready | None
) -> None:
    await application.start()
    try:
        if before is not None:
            await before(application)
        async with _control(application), _metrics(found):
            serving = asyncio.create_task(server.serve([each for one in found.main for each in several(one)]))
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
async def _metrics(found: Listeners) -> AsyncIterator[None]:
    """The listener of the metrics, where one is set; it answers until the main address is closed."""
    if not found.metrics:
        yield
        return
    from idp.watch.metrics import exposition

    server = QuietServer(plain_config(exposition()))
    serving = asyncio.create_task(server.serve(list(found.metrics)))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


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
