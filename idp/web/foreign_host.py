"""A request that came under another name than the issuer's: answered like any other, and told once in the log.

It is the commonest mistake of a first deployment, and nothing else would show it: every address we write is the
issuer's (decision 13).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.types import Scope

from idp.protocol.errors import visible

log = logging.getLogger("idp.host")

MOST = 16  # names an hour: a scanner tries thousands
_HOUR = 3600.0
_PROBES = ("/healthz", "/readyz")  # asked by address, as balancers do


class ForeignHosts:
    """``clock`` gives Unix seconds. The issuer's own name, with or without a port, costs one look into a set."""

    def __init__(self, issuer: str, clock: Callable[[], float]) -> None:
        parts = urlsplit(issuer)
        self._name = (parts.hostname or "").encode("ascii")
        self._own = {parts.netloc.encode("ascii"), self._name}
        self._base = parts.path
        self._issuer = issuer
        self._clock = clock
        self._told: set[bytes] = set()
        self._since = clock()

    def look(self, scope: Scope) -> None:
        host = b""
        for header, value in scope["headers"]:
            if header == b"host":
                host = value
                break
        if host not in self._own:
            self._foreign(host, scope["path"])

    def _foreign(self, host: bytes, path: str) -> None:
        name = _without_port(host.lower())
        if name == self._name or path.removeprefix(self._base) in _PROBES:
            return
        now = self._clock()
        if now - self._since >= _HOUR:
            self._told.clear()
            self._since = now
        if name in self._told or len(self._told) >= MOST:
            return
        self._told.add(name)
        log.warning(
            "a request came under another name | received: Host %s | expected: %s, the issuer's | mend: %s",
            visible(host.decode("latin-1")[:200]) or "none",
            self._name.decode("ascii"),
            f"let the proxy pass the name on (nginx: proxy_set_header Host $host) and redirect other names to "
            f"{self._issuer}; if that is not the public name, correct issuer in the settings",
        )
        if len(self._told) == MOST:
            log.warning("%d other names in an hour: further ones are not told", MOST)


def _without_port(host: bytes) -> bytes:
    """Without brackets too, as ``urlsplit`` gives a hostname."""
    if host.startswith(b"["):
        return host[1:].partition(b"]")[0]
    return host.partition(b":")[0]
