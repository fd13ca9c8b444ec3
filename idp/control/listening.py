"""The server's end of the control socket: mode 0600, one line a request, the same functions as without a server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from idp.control.calling import SOCKET, socket_address
from idp.control.errors import ControlError
from idp.control.operations import run
from idp.server import Server

log = logging.getLogger("idp.control")

_MAX_REQUEST = 8 * 1024 * 1024


class _Request(msgspec.Struct, frozen=True):
    operation: str
    arguments: dict[str, object]


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[None]:
    """Answer commands while the block runs. Who may write to data_dir is the operator: the file's mode is the guard."""
    path = server.settings.data_dir / SOCKET
    path.unlink(missing_ok=True)
    listener = await asyncio.start_unix_server(
        lambda reader, writer: _answer(server, reader, writer), socket_address(path), limit=_MAX_REQUEST
    )
    path.chmod(0o600)
    try:
        yield
    finally:
        listener.close()
        path.unlink(missing_ok=True)


async def _answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answer: dict[str, object]
    try:
        request = msgspec.json.decode(await reader.readline(), type=_Request)
        answer = {"result": await run(server, request.operation, request.arguments)}
    except ControlError as refused:
        answer = {"refused": refused.parts()}
    except (msgspec.MsgspecError, ValueError) as error:
        answer = {"refused": {"rule": "a request the server reads", "received": str(error)}}
    except Exception as error:
        log.exception("a command failed")
        answer = {
            "refused": {
                "rule": "the server does what a command asks",
                "received": type(error).__name__,
                "mend": "the server's log has the details",
            }
        }
    try:
        writer.write(msgspec.json.encode(answer))
        await writer.drain()
    except OSError:
        log.info("a command went away before its answer")
    finally:
        writer.close()
