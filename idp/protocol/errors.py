"""Every refusal is one value: the registered word and a safe sentence for the client, the whole story for the operator.

``Refused`` is answered as JSON by the endpoints programs call. At the authorization endpoint two kinds follow from
where the request stands (RFC 6749 4.1.2.1): ``Shown`` before client and redirect URI are known to be good, our page
and never a redirect; ``Sent`` after that, to the client's redirect URI.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Codes, opaque, refresh and registration tokens, handles of pushed requests and JWTs, whole or cut off: all are made to
# be told apart.
_ISSUED = re.compile(
    r"\burn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]{8,}"
    r"|\b(?:ac|at|dc|ia|ra)\.[A-Za-z0-9_-]{30,}|\brt\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{8,}"
    r"|\beyJ[A-Za-z0-9_-]{12,}[A-Za-z0-9_.-]*",
    re.ASCII,
)


class Refused(Exception):
    """A request this server will not do.

    ``error`` is a word from the IANA OAuth registry, ``description`` a sentence safe for anyone to read (RFC 6749 5.2
    characters only). ``rule``, ``received``, ``expected`` and ``mend`` are for the operator: never a secret.
    """

    def __init__(
        self,
        error: str,
        description: str,
        *,
        rule: str = "",
        received: str = "",
        expected: str = "",
        mend: str = "",
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = without_issued(description)
        self.rule = rule
        self.received = without_issued(received)
        self.expected = expected
        self.mend = mend
        self.status = status
        self.headers = dict(headers or {})

    def story(self) -> dict[str, Any]:
        """What the operator reads, without the empty lines."""
        members = {"rule": self.rule, "received": self.received, "expected": self.expected, "mend": self.mend}
        return {"error": self.error, "description": self.description} | {k: v for k, v in members.items() if v}


class Shown(Refused):
    """Refused before it is safe to send anybody anywhere: our own page tells."""


class Sent(Refused):
    """Refused after client and redirect target were proved: the client is told at its redirect URI."""


class NotYet(Refused):
    """No answer yet, and the asker comes again (RFC 8628 3.5): nothing an operator has to read."""


class Busy(Exception):
    """No capacity now: 503 with Retry-After, nothing has changed."""

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


class Throttled(Exception):
    """Too many tries failed: 429 with Retry-After, nothing was looked at and nothing has changed."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("throttled")
        self.retry_after = retry_after


def invalid_client(description: str, *, received: str = "", expected: str = "", mend: str = "") -> Refused:
    """401 as RFC 6749 5.2 asks, with the challenge for a client that used the Authorization header."""
    return Refused(
        "invalid_client",
        description,
        rule="RFC 6749 2.3",
        received=received,
        expected=expected,
        mend=mend,
        status=401,
        headers={"WWW-Authenticate": 'Basic realm="idp"'},
    )


def invalid_grant(
    description: str, *, received: str = "", expected: str = "", mend: str = "", rule: str = ""
) -> Refused:
    return Refused(
        "invalid_grant",
        description,
        rule=rule or "RFC 6749 5.2",
        received=received,
        expected=expected,
        mend=mend,
    )


def visible(text: str, limit: int = 120) -> str:
    """``text`` as a log or page may show it: bounded, control characters escaped."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    return cut.encode("unicode_escape").decode("ascii") if not cut.isprintable() else cut


def without_issued(text: str) -> str:
    """``text`` with what we issue cut short: whatever parameter a token strays into, no log or page repeats it."""
    return _ISSUED.sub(lambda found: f"{found[0][:6]}...", text)


def registered_characters(text: str) -> str:
    """``text`` reduced to what an error_description may hold (RFC 6749 5.2: no quote, no backslash, ASCII)."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text)
