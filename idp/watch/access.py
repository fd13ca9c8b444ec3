"""A line of the log for each request."""

from __future__ import annotations

import logging
from collections.abc import Container

from starlette.types import Scope

from idp.watch.logs import path_of

log = logging.getLogger("idp.access")


class AccessLog:
    """An observer. ``quiet`` are paths without a line: documents and probes, asked for all the time."""

    __slots__ = ("_quiet",)

    def __init__(self, quiet: Container[str] = ()) -> None:
        self._quiet = quiet

    def __call__(self, scope: Scope, status: int, seconds: float) -> None:
        if scope["path"] in self._quiet or not log.isEnabledFor(logging.INFO):
            return
        # Made here and not by log.info, which walks the stack to find its caller: that costs more than all the rest.
        said = (scope["method"], path_of(scope), status)
        record = logging.LogRecord(log.name, logging.INFO, "", 0, "%s %s %d", said, None)
        record.fields = {"status": status, "duration_ms": round(seconds * 1000, 3)}
        log.handle(record)
