"""SM: one request is one answer, whatever the framing says; the next peer's answer is never the attacker's."""

from __future__ import annotations

import socket

import pytest
from attack_raw import form, port_of, read, request, talk
from attack_support import LEAKS

from idp.testing import RunningServer

SECOND = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"

SMUGGLED: dict[str, bytes] = {
    "content-length and chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "chunked and content-length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n0\r\n\r\n" + SECOND,
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + SECOND,
    "a list of lengths": POST + b"Content-Length: 5, 6\r\n\r\nhello" + SECOND,
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello" + SECOND,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + SECOND,
    "a hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nhello" + SECOND,
    "an enormous length": POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + SECOND,
    "a length with a space": POST + b"Content-Length: 1 0\r\n\r\nhello" + SECOND,
    "chunked is not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SECOND,
    "almost chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SECOND,
    "two encodings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SECOND,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a folded line": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c: d\r\n\r\n",
    "bare line feeds": b"POST /token HTTP/1.1\nHost: localhost\nContent-Length: 5\n\nhello" + SECOND,
    "a bare carriage return": b"GET /healthz HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n",
    "a chunk that is too long": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX\r\n0\r\n\r\n" + SECOND,
    "a negative chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n" + SECOND,
    "an enormous chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n" + SECOND,
    "chunks with bare line feeds": POST + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n" + SECOND,
    "no name": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n",
    "a space in a name": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX A: x\r\n\r\n",
    "a NUL in the target": b"GET /healthz\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bytes in the target": b"GET /healthz\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "CONNECT": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_sm_01_ambiguous_framing(socket_server: RunningServer, name: str) -> None:
    heard = talk(socket_server, SMUGGLED[name])
    assert heard.status == 400
    assert heard.closed
    assert LEAKS.search(heard.data.decode("latin-1").replace("\r\nserver: uvicorn", "")) is None
    assert talk(socket_server, SECOND).status == 200


def test_sm_01_what_follows_a_body_is_the_next_request(socket_server: RunningServer) -> None:
    """A body that looks like a request is a body; an honest second request gets its own answer."""
    body = b"grant_type=x&a=\r\n\r\n" + SECOND
    heard = talk(socket_server, form("/token", body) + request("GET", "/.well-known/jwks.json"))
    assert heard.statuses == [401, 200]
    assert heard.data.count(b'"status":"ok"') == 0


def test_sm_01_a_neighbour_on_another_connection_is_not_touched(socket_server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", port_of(socket_server)), 2) as canary:
        for raw in SMUGGLED.values():
            canary.sendall(SECOND)
            talk(socket_server, raw, seconds=0.5)
            data, closed = read(canary)
            assert not closed
            assert data.endswith(b'{"status":"ok"}')
            assert data.count(b"HTTP/1.1 ") == 1


def test_sm_01_pipelined_answers_keep_their_order(socket_server: RunningServer) -> None:
    heard = talk(
        socket_server,
        request("GET", "/healthz") + request("GET", "/nowhere") + request("GET", "/readyz") + request("GET", "/hello"),
    )
    assert heard.statuses == [200, 404, 200, 401]


def test_sm_03_no_body_where_none_may_be(socket_server: RunningServer) -> None:
    etag = talk(socket_server, request("GET", "/.well-known/jwks.json")).header("etag") or b""
    for path in (
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/healthz",
        "/hello",
        "/nowhere",
        "/logout",
    ):
        heard = talk(socket_server, request("HEAD", path), seconds=0.3)
        assert heard.data.endswith(b"\r\n\r\n"), path
        both = talk(socket_server, request("HEAD", path) + SECOND, seconds=0.3)
        assert both.statuses[1:] == [200], path
    unchanged = request("GET", "/.well-known/jwks.json", {"If-None-Match": etag.decode()})
    heard = talk(socket_server, unchanged, seconds=0.3)
    assert heard.status == 304
    assert heard.data.endswith(b"\r\n\r\n")
    both = talk(socket_server, unchanged + SECOND, seconds=0.3)
    assert both.statuses == [304, 200]
    preflight = request("OPTIONS", "/.well-known/jwks.json", {"Origin": "https://x.test"})
    assert talk(socket_server, preflight + SECOND, seconds=0.3).statuses == [204, 200]
