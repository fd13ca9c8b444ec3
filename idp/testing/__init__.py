"""Owns the provider as a test fixture: the real server, in this process, with a clock that moves when told.

``Provider`` answers in-process over ASGI; ``running_server`` listens on a free loopback port in a thread, for browsers
and foreign clients. Neither has switches that the real server lacks.
"""

from idp.testing.clock import MovingClock
from idp.testing.provider import Provider
from idp.testing.running import RunningServer, running_server

__all__ = ["MovingClock", "Provider", "RunningServer", "running_server"]
