"""How a server leaves when it is asked to: it says so, answers what is there, goes. Asked twice, it goes at once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from topology_nodes import Installation, Node, running, until
from topology_sockets import refused, wire

DRAIN = 2
FOR_EVER = 600
HEAD = b"POST /token HTTP/1.1\r\nHost: id.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n"
HALF = HEAD + b"Content-Length: 29\r\n\r\ngrant_type=client"
REST = b"_credentials"


@pytest.fixture(params=["one process", pytest.param("two workers", marks=pytest.mark.postgres)])
def node(request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Node]:
    two = request.param == "two workers"
    settings = {"database": f'"{request.getfixturevalue("database")}"'} if two else {}
    drain = FOR_EVER if "at_once" in request.node.name else DRAIN
    installation = Installation.make(tmp_path, drain_seconds=str(drain), **settings)
    found = Node(installation, free_port(), ("--workers", "2") if two else ())
    with running(found):
        if two:
            until(lambda: found.said().count("idp serves") == 2)
        yield found


def children(node: Node) -> list[int]:
    assert node.process is not None
    pid = node.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_it_says_so_first_and_answers_to_the_end(node: Node) -> None:
    with wire(node.port) as idle, wire(node.port) as busy, wire(node.port) as late, wire(node.port) as fresh:
        assert idle.ask("/readyz").headers["connection"] is None
        busy.send(HALF)
        assert late.ask("/healthz").status == 200
        late.send(b"GET /healthz HTT")  # not even a head yet
        began = time.monotonic()
        node.signal(signal.SIGTERM)
        until(lambda: node.readyz() == 503)  # a balancer hears of it before the address closes
        with wire(node.port) as new:
            answer = new.ask("/readyz")
            assert (answer.status, answer.headers["connection"]) == (503, "close")
            assert b"this process is leaving" in answer.body
        answer = idle.ask("/.well-known/jwks.json")
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        until(lambda: refused(node.port))
        assert time.monotonic() - began >= DRAIN
        fresh.send(b"GET /healthz HTTP/1.1\r\nHost: id.example.com\r\n\r\n")  # a connection taken, and unused so far
        assert fresh.hear().status == 200
        busy.send(REST)
        answer = busy.hear()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        late.send(b"P/1.1\r\nHost: id.example.com\r\n\r\n")
        answer = late.hear()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert node.wait() == 0
        assert time.monotonic() - began < DRAIN + 5


def test_a_request_that_never_ends_does_not_keep_it(node: Node) -> None:
    with wire(node.port) as stuck:
        stuck.send(HALF)
        began = time.monotonic()
        node.signal(signal.SIGTERM)
        assert node.wait(DRAIN + 6) == 0
        assert time.monotonic() - began >= DRAIN


def test_asked_twice_it_ends_at_once(node: Node) -> None:
    with wire(node.port) as stuck:
        stuck.send(HALF)
        node.signal(signal.SIGTERM)
        until(lambda: node.readyz() == 503)
        node.signal(signal.SIGINT)
        assert node.wait() == 0, "long before its time"


def test_a_service_manager_may_tell_everybody(node: Node) -> None:
    """systemd asks each process of the group: the workers hear of it twice, which is not a second asking."""
    everybody = children(node)
    began = time.monotonic()
    node.signal(signal.SIGTERM)
    for pid in everybody:
        os.kill(pid, signal.SIGTERM)
    until(lambda: node.readyz() == 503)
    assert node.wait() == 0
    assert time.monotonic() - began >= DRAIN


def test_a_terminal_may_tell_everybody(node: Node) -> None:
    everybody = children(node)
    began = time.monotonic()
    node.signal(signal.SIGINT)
    for pid in everybody:
        os.kill(pid, signal.SIGINT)
    assert node.wait() == 0
    assert time.monotonic() - began >= DRAIN
