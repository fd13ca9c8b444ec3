"""``serve --workers N``: one parent that binds the address and watches, N processes that serve it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType

log = logging.getLogger("idp.workers")

_QUICK_DEATH = 2.0  # seconds; a worker that dies sooner would die again at once


def supervise(
    count: int,
    work: Callable[[], int],
    *,
    let_go: Callable[[], None] = lambda: None,
    ended: Callable[[int], None] = lambda pid: None,
    hangs_up: bool = True,
) -> int:
    """Run ``work`` in ``count`` processes until a signal ends them; one that dies alone is replaced.

    A second signal ends them at once; SIGHUP ends them too, unless ``hangs_up`` is False: then it is passed on.
    ``ended`` is told each that is gone. ``let_go`` runs when none will be started any more: a listener that the parent
    held would take connections for nobody. Answers the exit status: 0 after a signal, else that of a worker that died
    as soon as it had started.
    """
    children: dict[int, float] = {}
    ending = False

    def tell(number: int) -> None:
        for pid in list(children):
            with contextlib.suppress(ProcessLookupError):  # it ended a moment ago
                os.kill(pid, number)

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ending
        tell(signal.SIGQUIT if ending else signal.SIGTERM)
        if not ending:
            let_go()
        ending = True

    def start() -> None:
        with _signals_later():  # one that came between the fork and the note of it would miss the child
            if not ending:
                children[_start(work)] = time.monotonic()

    for number in _SIGNALS:
        signal.signal(number, end)
    if not hangs_up:
        signal.signal(signal.SIGHUP, lambda number, frame: tell(number))
    for _ in range(count):
        start()
    status = 0
    while children:
        pid, code = _wait()
        lived = time.monotonic() - children.pop(pid, 0.0)
        ended(pid)
        if ending:
            continue
        if lived < _QUICK_DEATH:
            status = code or 1
            log.error("worker %d ended at once with status %d; not started again", pid, code)
            end(signal.SIGTERM, None)
            continue
        log.warning("worker %d ended with status %d; another takes its place", pid, code)
        start()
    return status


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _start(work: Callable[[], int]) -> int:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a terminal tells everybody, and the parent tells us in its own way
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        status = 1
        try:
            status = work()
        except BaseException:
            log.exception("a worker failed")  # leaving this way, nobody else would tell
        finally:
            os._exit(status)
    return pid


def _wait() -> tuple[int, int]:
    pid, status = os.wait()
    return pid, os.waitstatus_to_exitcode(status)
