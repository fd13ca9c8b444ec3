"""Owns the provider as a test fixture: the real server, in this process, with a clock that moves when told.

``idp.testing.plugin`` gives it to pytest; ``started`` gives the same to any other program. ``Provider`` and
``running_server`` are the parts below, which this project's own tests use. None has switches that the real server
lacks, and naming this package imports none of the server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idp.testing.browser import Browser, Landing, Stuck
    from idp.testing.clock import MovingClock
    from idp.testing.fixture import Idp
    from idp.testing.provider import Provider
    from idp.testing.registering import RegisteredClient
    from idp.testing.running import RunningServer, running_server
    from idp.testing.starting import Starter, started

_FOUND_IN = {
    "Browser": "browser",
    "Idp": "fixture",
    "Landing": "browser",
    "MovingClock": "clock",
    "Provider": "provider",
    "RegisteredClient": "registering",
    "RunningServer": "running",
    "Starter": "starting",
    "Stuck": "browser",
    "running_server": "running",
    "started": "starting",
}

__all__ = [
    "Browser",
    "Idp",
    "Landing",
    "MovingClock",
    "Provider",
    "RegisteredClient",
    "RunningServer",
    "Starter",
    "Stuck",
    "running_server",
    "started",
]


def __getattr__(name: str) -> Any:
    """PEP 562: a plugin that pytest loads in every project must not bring a server along."""
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"idp.testing.{_FOUND_IN[name]}"), name)
