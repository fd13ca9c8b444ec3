"""``serve --workers N``: one parent that binds the address and watches, N processes that serve it."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType

log = logging.getLogger("idp.workers")

_QUICK_DEATH = 2.0  # seconds; a worker that dies sooner would die again at once


def supervise(count: int, work: Callable[[], int]) -> int:
    """Run ``work`` in ``count`` processes until a signal ends them; one that dies alone is replaced.

    Answers the exit status: 0 after a signal, else that of a worker that died as soon as it had started.
    """
    children: dict[int, float] = {}
    ending = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ending
        ending = True
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    for _ in range(count):
        children[_start(work)] = time.monotonic()
    status = 0
    while children:
        pid, code = _wait()
        lived = time.monotonic() - children.pop(pid, 0.0)
        if ending:
            continue
        if lived < _QUICK_DEATH:
            status = code or 1
            log.error("worker %d ended at once with status %d; not started again", pid, code)
            end(signal.SIGTERM, None)
            continue
        log.warning("worker %d ended with status %d; another takes its place", pid, code)
        children[_start(work)] = time.monotonic()
    return status


def _start(work: Callable[[], int]) -> int:
    pid = os.fork()
    if pid == 0:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        status = 1
        try:
            status = work()
        finally:
            os._exit(status)
    return pid


def _wait() -> tuple[int, int]:
    pid, status = os.wait()
    return pid, os.waitstatus_to_exitcode(status)
