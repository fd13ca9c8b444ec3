"""One bounded GET or POST with the standard library: https, or http on loopback; no redirect, no proxy."""

import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

MAX_BODY = 64 * 1024
TIMEOUT = 5.0
_URL = re.compile(r"[\x21-\x7e]{1,2048}")


class FetchError(Exception):
    """Nothing usable came back; ``str()`` says from where and why."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer: ``headers`` by lower-case name, ``body`` of at most 64 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# A blocking POST: (url, request headers, body) -> Response.
Post: TypeAlias = Callable[[str, Mapping[str, str], bytes], Response]

# A blocking GET: (url, request headers) -> Response. Anything it raises counts as a failed fetch.
Fetch: TypeAlias = Callable[[str, Mapping[str, str]], Response]


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be fetched, taken apart."""

    url: str
    secure: bool
    host: str
    port: int
    authority: str
    path: str

    @property
    def addresses(self) -> tuple[str, ...]:
        """What to connect to: the loopback addresses for a loopback name, else the host itself."""
        return _loopback(self.host) or (self.host,)


def target(url: str) -> Target:
    """Check an address: https anywhere, http only to loopback; ``FetchError`` otherwise."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchError(f"{url[:100]!a} is no address") from error
    host = (parts.hostname or "").lower()
    known = parts.scheme in ("http", "https") and parts.username is None and bool(host)
    if not known or not _URL.fullmatch(url):
        raise FetchError(f"{url[:100]!a} is no address of the form https://host/path")
    secure = parts.scheme == "https"
    if not secure and not _loopback(host):
        raise FetchError(f"{url} is not https; plain http is used on this machine only")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(url, secure, host, port or (443 if secure else 80), parts.netloc, path)


def _loopback(host: str) -> tuple[str, ...]:
    # RFC 6761 section 6.3: these names mean this machine; a resolver that says otherwise is not asked.
    if host == "localhost" or host.endswith(".localhost"):
        return "127.0.0.1", "::1"
    try:
        return (host,) if ipaddress.ip_address(host).is_loopback else ()
    except ValueError:
        return ()


class _Timed(io.RawIOBase):
    """A socket's bytes until a deadline: a server that sends one byte a second does not hold us for hours."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._left())
        return self._sock.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What ``HTTPResponse`` asks of a socket."""
        return io.BufferedReader(self)


def get(
    url: str,
    headers: Mapping[str, str],
    *,
    timeout: float = TIMEOUT,
    monotonic: Callable[[], float] = time.monotonic,
) -> Response:
    """GET ``url`` in at most ``timeout`` seconds all together (the name lookup aside).

    Redirects are returned as they are, never followed. ``FetchError`` for addresses that are neither https
    nor on loopback, failed connections, late, oversize, encoded or broken answers.
    """
    return _ask(_Request("GET", target(url), headers), timeout, monotonic)


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    timeout: float = TIMEOUT,
    monotonic: Callable[[], float] = time.monotonic,
) -> Response:
    """POST ``body`` to ``url``, under the rules of ``get``."""
    return _ask(_Request("POST", target(url), headers, body), timeout, monotonic)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    where: Target
    headers: Mapping[str, str]
    body: bytes | None = None


def _ask(request: _Request, timeout: float, monotonic: Callable[[], float]) -> Response:
    url = request.where.url
    deadline = monotonic() + timeout

    def left() -> float:
        remaining = deadline - monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    try:
        with _connect(request.where, left) as sock:
            return _exchange(sock, request, left)
    except TimeoutError as error:
        raise FetchError(f"{url} did not answer within {timeout:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(f"{url} could not be read: {error or type(error).__name__}") from error


def _connect(where: Target, left: Callable[[], float]) -> socket.socket:
    sock = _first_open(where, left)
    if not where.secure:
        return sock
    try:
        sock.settimeout(left())
        return ssl.create_default_context().wrap_socket(sock, server_hostname=where.host)
    except BaseException:
        sock.close()
        raise


def _first_open(where: Target, left: Callable[[], float]) -> socket.socket:
    trouble: OSError = OSError(f"{where.host} has no address")
    for name in where.addresses:
        for *_, address in socket.getaddrinfo(name, where.port, type=socket.SOCK_STREAM):
            try:
                return socket.create_connection((str(address[0]), where.port), timeout=left())
            except TimeoutError:
                raise
            except OSError as error:
                trouble = error
    raise trouble


def _exchange(sock: socket.socket, request: _Request, left: Callable[[], float]) -> Response:
    where = request.where
    # The library writes the request and reads the answer; the socket between is ours, with its deadline.
    connection = http.client.HTTPConnection(where.host, where.port)
    connection.sock = sock
    sock.settimeout(left())
    fixed = {"Host": where.authority, "Accept-Encoding": "identity", "Connection": "close"}
    connection.request(request.method, where.path, request.body, {**request.headers, **fixed})
    answer = http.client.HTTPResponse(_Timed(sock, left), method=request.method)  # type: ignore[arg-type]
    answer.begin()
    found = {name.lower(): value for name, value in answer.getheaders()}
    if found.get("content-encoding", "identity").lower() != "identity":
        raise FetchError(f"{where.url} answered in an encoding that was not asked for")
    body = answer.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise FetchError(f"{where.url} answered with more than {MAX_BODY} bytes")
    return Response(answer.status, found, body)
