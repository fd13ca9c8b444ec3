"""The way from a command to the server: over the socket while one runs, else by opening the database here."""

from __future__ import annotations

import asyncio
import fcntl
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
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
_LONG = {"backup": 6 * 3600.0}  # seconds


class Call(Protocol):
    """One operation by name; its answer. Raises ControlError."""

    def __call__(self, operation: str, **arguments: Any) -> dict[str, Any]: ...


def call(settings: Settings, operation: str, **arguments: Any) -> dict[str, Any]:
    """The operation's answer, in effect everywhere. Raises ControlError."""
    # The one command that goes on without the old key-encryption key is the one for its loss.
    with calls(settings, lost_key=bool(arguments.get("new_kek"))) as talk:
        return talk(operation, **arguments)


@contextmanager
def calls(settings: Settings, *, lost_key: bool = False) -> Iterator[Call]:
    """Several operations, each in a transaction of its own, over one opening of the database."""
    socket_path = settings.data_dir / SOCKET
    if settings.database is None and _over_socket(socket_path, "info", {}) is not None:
        yield lambda operation, **arguments: _asked(socket_path, operation, arguments)
        return
    with only_opener(settings.data_dir) if settings.database is None else nullcontext(), asyncio.Runner() as runner:
        opened = _opened(settings, lost_key)
        server = runner.run(opened.__aenter__())
        try:
            yield lambda operation, **arguments: runner.run(run(server, operation, arguments))
        finally:
            runner.run(opened.__aexit__(None, None, None))


def _asked(path: Path, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer = _over_socket(path, operation, arguments)
    if answer is None:
        raise ControlError("the server answers", received="it ended meanwhile", mend="give the command again")
    if "refused" in answer:
        raise ControlError(**answer["refused"])
    result: dict[str, Any] = answer["result"]
    return result


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
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_LONG.get(operation, _SECONDS))
        try:
            connection.connect(socket_address(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return None  # left behind by a server that was killed
        try:
            connection.sendall(msgspec.json.encode({"operation": operation, "arguments": arguments}) + b"\n")
            connection.shutdown(socket.SHUT_WR)
            data = b"".join(iter(lambda: connection.recv(65_536), b""))
            answer: dict[str, Any] = msgspec.json.decode(data)
        except (OSError, msgspec.DecodeError) as error:
            raise ControlError(
                "the server answers a command",
                received=f"no whole answer: {error}",
                expected="a server that runs until it has answered",
                mend="see whether the change is there (idp audit tail), and if not give the command again",
            ) from None
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


@asynccontextmanager
async def _opened(settings: Settings, lost_key: bool) -> AsyncIterator[Server]:
    server = make_server(settings, [feature for feature in FEATURES if feature.active(settings)], patient=True)
    try:
        try:
            await prepare(server, serving=False)
        except KeyEncryptionKeyMismatch:
            if not lost_key:
                raise
        yield server
    except KeyringError as error:
        raise ControlError(error.rule, received=error.received, expected=error.expected, mend=error.mend) from error
    except SchemaMismatch as error:
        raise ControlError("the schema is this program's", received=str(error), mend=error.mend) from error
    finally:
        server.passwords.close()
        await server.database.aclose()
