"""The way from a command to the server: over the socket while one runs, else by opening the database here."""

from __future__ import annotations

import asyncio
import fcntl
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from idp.app import make_server, prepare
from idp.control.errors import ControlError
from idp.control.operations import run
from idp.features import FEATURES
from idp.keyring import KeyEncryptionKeyMismatch, KeyringError
from idp.server import Server
from idp.settings import Settings
from idp.store.migrate import SchemaMismatch

SOCKET = "control.sock"
LOCK = "lock"
_SECONDS = 60.0


class Call(Protocol):
    """One operation by name; its answer. Raises ControlError."""

    def __call__(self, operation: str, **arguments: Any) -> dict[str, Any]: ...


def call(settings: Settings, operation: str, **arguments: Any) -> dict[str, Any]:
    """The operation's answer, in effect everywhere. Raises ControlError."""
    if settings.database is not None:
        return asyncio.run(_here(settings, operation, arguments))
    answer = _over_socket(settings.data_dir / SOCKET, operation, arguments)
    if answer is None:
        with only_opener(settings.data_dir):
            return asyncio.run(_here(settings, operation, arguments))
    if "refused" in answer:
        raise ControlError(**answer["refused"])
    result: dict[str, Any] = answer["result"]
    return result


@contextmanager
def calls(settings: Settings) -> Iterator[Call]:
    """``call`` for many operations one after the other: with no server running, the database is opened once for all."""
    if settings.database is None and running_issuer(settings) is not None:
        yield partial(call, settings)
        return
    with ExitStack() as held:
        if settings.database is None:
            held.enter_context(only_opener(settings.data_dir))
        runner = held.enter_context(asyncio.Runner())
        opened = _opened(settings)
        server = runner.run(_begin(opened))
        held.callback(lambda: runner.run(opened.__aexit__(None, None, None)))
        yield lambda operation, **arguments: runner.run(_one(server, operation, arguments))


async def _begin(opened: AbstractAsyncContextManager[Server]) -> Server:
    return await opened.__aenter__()


async def _one(server: Server, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return await run(server, operation, arguments)


def running_issuer(settings: Settings) -> str | None:
    """The issuer of the server that has this data folder open; None with none running."""
    answer = _over_socket(settings.data_dir / SOCKET, "info", {})
    return None if answer is None or "result" not in answer else str(answer["result"]["issuer"])


@contextmanager
def only_opener(data_dir: Path) -> Iterator[None]:
    """SQLite means one opener (decision 5); the lock goes with the process, however it ends."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data_dir / LOCK).open("w")
    except OSError as error:
        raise ControlError(
            "data_dir is a folder this user may write",
            received=f"{data_dir}: {error.strerror}",
            expected="a folder that is there, or may be made",
            mend=f"mkdir -p {data_dir} as a user who may, or choose another data_dir",
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ControlError(
                "one process opens the database",
                received=f"{data_dir} is open in another process",
                expected="a free database, or a server that answers on its socket",
                mend="stop the other process, or wait until it has started",
            ) from None
        yield


def _over_socket(path: Path, operation: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """None where nobody listens. The socket's own folder may be too deep for an address, so it is named from there."""
    if not path.exists():
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(socket_address(path))
            connection.sendall(msgspec.json.encode({"operation": operation, "arguments": arguments}) + b"\n")
            connection.shutdown(socket.SHUT_WR)
            data = b"".join(iter(lambda: connection.recv(65_536), b""))
    except (ConnectionRefusedError, FileNotFoundError):
        return None  # left behind by a server that was killed
    answer: dict[str, Any] = msgspec.json.decode(data)
    return answer


def socket_address(path: Path) -> str:
    """A Unix socket's address has about 100 bytes: a deep folder is reached through its descriptor's short name."""
    full = str(path.absolute())
    return full if len(full.encode()) < 100 else _short(path)


def _short(path: Path) -> str:
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        raise ControlError(
            "the control socket's path is short enough for the system",
            received=f"{len(str(path.absolute()))} characters",
            expected="fewer than 100",
            mend="choose a data_dir with a shorter path, or run the command from inside it",
        ) from None


async def _here(settings: Settings, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    # The one command that goes on without the old key is the one for its loss.
    async with _opened(settings, without_key=bool(arguments.get("new_kek"))) as server:
        return await run(server, operation, arguments)


@asynccontextmanager
async def _opened(settings: Settings, *, without_key: bool = False) -> AsyncIterator[Server]:
    server = make_server(settings, [feature for feature in FEATURES if feature.active(settings)])
    try:
        try:
            await prepare(server, serving=False)
        except KeyEncryptionKeyMismatch:
            if not without_key:
                raise
        yield server
    except KeyringError as error:
        raise ControlError(error.rule, received=error.received, expected=error.expected, mend=error.mend) from error
    except SchemaMismatch as error:
        raise ControlError("the schema is this program's", received=str(error), mend="idp migrate") from error
    finally:
        server.passwords.close()
        await server.database.aclose()
