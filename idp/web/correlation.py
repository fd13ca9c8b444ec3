"""What ties a request to what is said about it: on the page, in the log, in the audit, in a trace."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.types import Scope

from idp.web.context import server_of

_TRACEPARENT = re.compile(rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}")
_NONE_TRACE, _NONE_PARENT = b"0" * 32, b"0" * 16


def correlation_id(http: Request) -> str:
    """One id a request, made when it is first needed; the caller's trace id where it sent a valid one.

    Several requests may share a trace id: ``request_id`` of the log tells them apart.
    """
    state = http.scope.setdefault("state", {})
    if "correlation_id" not in state:
        state["correlation_id"] = trace_id(http.scope) or server_of(http).random_id(6)
    return str(state["correlation_id"])


def known_correlation_id(scope: Scope) -> str | None:
    """The id as far as the request has one by now."""
    known = (scope.get("state") or {}).get("correlation_id")
    return str(known) if known is not None else trace_id(scope)


def trace_id(scope: Scope) -> str | None:
    """The trace id of a valid ``traceparent`` (W3C Trace Context 3.2), 32 hexadecimal digits."""
    value = header_of(scope, b"traceparent")
    # A later version may append fields; what this one knows stands in front (section 4).
    found = _TRACEPARENT.match(value) if value is not None else None
    if found is None or found["version"] == b"ff" or found["trace"] == _NONE_TRACE or found["parent"] == _NONE_PARENT:
        return None
    rest = (value or b"")[found.end() :]
    if rest and (found["version"] == b"00" or not rest.startswith(b"-")):
        return None
    return found["trace"].decode("ascii")


def header_of(scope: Scope, name: bytes) -> bytes | None:
    """The one value of a header; None where it is missing or came twice."""
    values = [value for header, value in scope["headers"] if header == name]
    return bytes(values[0]) if len(values) == 1 else None
