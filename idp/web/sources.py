"""Where an authorization request stands: in its own parameters, or behind one that names it.

A *source* knows one such parameter (a pushed request's handle, a signed object) and gives what stands behind it in its
place. From there on nobody asks which it was, but for the rules that are about just that (``Draft.via``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from idp.protocol.request import Asked
from idp.server import Server

# The time is when the browser first came with this request: a page in between may take a person minutes. What is not
# this source's it gives back as it is. Raises Refused; Shown where nobody may be told.
Source = Callable[[Server, Asked, float], Awaitable[Asked]]
