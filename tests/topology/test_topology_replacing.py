"""Two nodes behind nginx, replaced in turn under load: nobody notices."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.certificates import certificate, trusting
from topology_load import MANIFEST, Load
from topology_nodes import Installation, Node, configuration, proxying, running

pytestmark = [pytest.mark.postgres, pytest.mark.nginx]

REQUESTS = 20_000  # the figure of the issue


@pytest.mark.timeout(180)
def test_no_request_fails_while_both_nodes_are_replaced(
    database: str, nginx: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """One node is one process, the other two workers; the load does not pause."""
    installation = Installation.make(tmp_path, database=f'"{database}"', trusted_proxies='["127.0.0.1/32"]')
    installation.apply(MANIFEST)
    nodes = [Node(installation, free_port()), Node(installation, free_port(), ("--workers", "2"))]
    cert_file, _ = certificate(tmp_path)
    port, plain_port = free_port(), free_port()
    frame = configuration(tmp_path, port, plain_port, nodes)
    with running(*nodes), proxying(nginx, frame, plain_port):
        load = Load(port, trusting(cert_file))
        replaced: list[float] = []
        load.enough = lambda: bool(load.failures) or (
            len(replaced) == len(nodes) and load.done.total() >= REQUESTS
        )
        thread = threading.Thread(target=lambda: asyncio.run(load.run(8)), daemon=True)
        began = time.monotonic()
        thread.start()
        for node in nodes:
            before = load.done.total()
            node.replace()
            replaced.append(time.monotonic() - began)
            assert load.done.total() > before or load.failures
        thread.join(120)
        assert load.failures == []
        assert load.done.total() >= REQUESTS
        assert load.done["sign-in"] >= 10
        print(f"{dict(load.done)} in {time.monotonic() - began:.1f} s, replaced after {replaced}", file=sys.stderr)
