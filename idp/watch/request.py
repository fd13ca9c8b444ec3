"""The request a line of the log belongs to: carried by a context variable, its name made only when somebody asks.

A request that logs nothing pays for one assignment.
"""

from __future__ import annotations

import itertools
import re
from contextvars import ContextVar

from starlette.types import Scope

from idp.web.correlation import header_of
from idp.web.peer import Proxies

# The ASGI scope of the request at hand; None outside of one (jobs, start-up).
CURRENT: ContextVar[Scope | None] = ContextVar("idp.request", default=None)

_PLAIN = re.compile(rb"[A-Za-z0-9._-]{16,128}")


class RequestNames:
    """Names requests: as a trusted proxy did, where that is short and plain, else ``prefix`` and a number."""

    __slots__ = ("_numbers", "_prefix", "_proxies")

    def __init__(self, prefix: str, proxies: Proxies) -> None:
        self._prefix = prefix
        self._proxies = proxies
        self._numbers = itertools.count(1)

    def of(self, scope: Scope) -> str:
        """The same for every line of one request."""
        known = scope.get("idp.request_id")
        if known is None:
            known = scope["idp.request_id"] = self._given(scope) or f"{self._prefix}-{next(self._numbers):06x}"
        return str(known)

    def _given(self, scope: Scope) -> str | None:
        # Anybody may send the header: without this check a stranger would name lines of our log.
        if not self._proxies.in_front(scope):
            return None
        said = header_of(scope, b"x-request-id")
        return said.decode("ascii") if said is not None and _PLAIN.fullmatch(said) else None
