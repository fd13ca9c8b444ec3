"""The addresses a server binds, before any process of it exists: the main one, and the one of the metrics."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from idp.cli.trouble import Trouble
from idp.settings import Settings

_PREFIX = "metrics-"


@dataclass(frozen=True, slots=True)
class Listeners:
    """``folder`` is where the processes of one server add up their metrics; None where there is one process."""

    main: tuple[socket.socket, ...]
    metrics: tuple[socket.socket, ...]
    folder: Path | None = None

    def close(self) -> None:
        for each in (*self.main, *self.metrics):
            each.close()


@contextlib.contextmanager
def listeners(settings: Settings, *, shared: bool = False) -> Iterator[Listeners]:
    """Bound, not listening yet; closed in the end. Raises Trouble where an address cannot be had."""
    with contextlib.ExitStack() as held:
        # Before anything is made: a port in use is the commonest reason not to start.
        main = _bound(settings.listen_host, settings.listen_port, "listen_port")
        for each in main:
            held.callback(each.close)
        metrics: tuple[socket.socket, ...] = ()
        folder = None
        if settings.metrics_port is not None:
            metrics = _bound(settings.metrics_host, settings.metrics_port, "metrics_port")
            for each in metrics:
                held.callback(each.close)
            if shared:
                folder = held.enter_context(_counting_folder(settings.data_dir))
        yield Listeners(main, metrics, folder)


def _bound(host: str, port: int, setting: str) -> tuple[socket.socket, ...]:
    """A socket at each address of ``host``: localhost is two, of which a machine may have only one."""
    found: list[socket.socket] = []
    places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in places:
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            # Said here, for every process and copy that comes to share it: dup() repeats what the object believes, and
            # "blocking" said anew would freeze a process that serves in its next accept.
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRNOTAVAIL and len(places) > 1:
                continue
            for each in found:
                each.close()
            other = f"idp dev --port {port % 60_000 + 1}, or {setting}" if setting == "listen_port" else setting
            raise Trouble(
                "the address is free and this user may bind it",
                received=f"{host}:{port}: {error.strerror}",
                expected="a port that nobody listens on",
                mend=f"stop what holds it, or take another: {other}",
            ) from None
        found.append(listener)
    return tuple(found)


@contextlib.contextmanager
def _counting_folder(data_dir: Path) -> Iterator[Path]:
    """A fresh folder for its owner alone. What a killed server left behind is known by its lock, which nobody holds."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in data_dir.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (left / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=data_dir))
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
