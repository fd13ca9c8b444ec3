"""How a process leaves: first it says so, then it takes no new connection, then it ends what it has begun.

A proxy must never find a connection closed under a request it has just sent, as it may not send a POST twice. So while
the drain lasts every answer says ``Connection: close``, and its end closes only connections idle for all that time.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import select
import socket
import struct
import sys
from collections.abc import Iterator, Sequence

import uvicorn
from uvicorn.server import ServerState

from idp.server import Server
from idp.serving import BoundedProtocol

log = logging.getLogger("idp.serving")

_HANDSHAKES = 0.05  # seconds in which connections half made when the door closed come in
_MOST_TURNS = 20  # a second in all


class FrontState(ServerState):
    """What uvicorn's connections share; ``leaving`` makes each answer its connection's last."""

    leaving = False


class QuietServer(uvicorn.Server):
    """Signals are the process's affair: uvicorn would raise them again before our own clearing up.

    ``answers`` is set once the address answers.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class FrontServer(QuietServer):
    """The server of the main address, which drains."""

    def __init__(self, config: uvicorn.Config, provider: Server) -> None:
        super().__init__(config)
        self.server_state: FrontState = FrontState()
        self._provider = provider

    @property
    def leaving(self) -> bool:
        return self.server_state.leaving

    def leave(self) -> None:
        """Begin to drain: ``/readyz`` says no from now on, everything else is still answered. Once more: nothing."""
        if self.leaving:
            return
        seconds = self._provider.settings.drain_seconds if self.started else 0
        self._last_answers()
        if seconds:
            log.info("leaving: /readyz says so, the address closes in %d s", seconds)
            asyncio.get_running_loop().call_later(seconds, self._close)
        else:
            self._close()

    def end_at_once(self) -> None:
        """Nothing is waited for: requests in flight are cut."""
        self._last_answers()
        self.should_exit = self.force_exit = True
        self._cut()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._last_answers()
        if not self.force_exit and refuse_new(sockets or ()):
            await _taken(sockets or ())
        await super().shutdown(sockets)
        self._cut()  # what did not end in time, or does not answer the end of its TLS

    def _last_answers(self) -> None:
        self._provider.leaving = True
        self.server_state.leaving = True
        for connection in self.server_state.connections:
            if isinstance(connection, BoundedProtocol):
                connection.last_answer()

    def _close(self) -> None:
        self.should_exit = True

    def _cut(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


async def _taken(listeners: Sequence[socket.socket]) -> None:
    """Until the connections that had begun are made, and the loop has taken all of them."""
    for _ in range(_MOST_TURNS):
        await asyncio.sleep(_HANDSHAKES)
        if not select.select(listeners, (), (), 0)[0]:
            return


# A classic BPF program on the packet's TCP header: SYN without ACK is dropped, all else comes in.
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0x40000),
)
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h


def refuse_new(sockets: Sequence[socket.socket]) -> bool:
    """Let no connection begin at these listeners; those that have begun are still made. False where it cannot be done.

    Closing a listener resets what its queue holds, and a proxy that has sent its request already may not send it again.
    Whoever comes after this is told nothing, asks again a second later, and is refused by the closed address.
    """
    if sys.platform != "linux":
        return False
    program = b"".join(struct.pack("HBBI", *step) for step in _NO_SYN)
    held = ctypes.create_string_buffer(program)
    option = struct.pack("HL", len(_NO_SYN), ctypes.addressof(held))
    try:
        for listener in sockets:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
    except OSError:  # a sandbox without it: the moment between the last accept and the close stays open
        return False
    return True
