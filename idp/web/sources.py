"""Where an authorization request stands: in its own parameters, or behind one that names it.

A *source* knows one such parameter (a pushed request's handle, a signed object) and gives what stands behind it in its
place. From there on nobody asks which it was, but for the rules that are about just that (``Draft.via``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from idp.protocol.errors import Refused
from idp.protocol.parameters import Parameters
from idp.protocol.request import Asked
from idp.server import Server

# The time is when the browser first came with this request: a page in between may take a person minutes. What is not
# this source's it gives back as it is. Raises Refused; Shown where nobody may be told.
Source = Callable[[Server, Asked, float], Awaitable[Asked]]


def refuse_both(parameters: Parameters) -> None:
    """RFC 9101 5: a request stands in one place."""
    if parameters.get("request") is not None and parameters.get("request_uri") is not None:
        raise Refused(
            "invalid_request",
            "request and request_uri came together.",
            rule="RFC 9101 5",
            received="request and request_uri",
            expected="one of them",
            mend="Send the object itself, or where it is.",
        )
