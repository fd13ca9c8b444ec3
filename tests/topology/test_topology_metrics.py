"""The metrics have a listener of their own: on loopback, added up over workers, and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from topology_nodes import Installation, Node, running, status_of, until

from idp.cli.group import run


def shown(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        return str(answer.read().decode())


def folders(node: Node) -> list[Path]:
    return list(node.installation.data_dir(node.port).glob("metrics-*"))


def test_one_process_shows_its_own(tmp_path: Path, free_port: Callable[[], int]) -> None:
    metrics = free_port()
    node = Node(Installation.make(tmp_path, metrics_port=str(metrics)), free_port())
    with running(node):
        assert "process_resident_memory_bytes" in shown(metrics)
        assert status_of(f"http://127.0.0.1:{metrics}/healthz") == 404, "nothing else is there"
        assert status_of(f"http://127.0.0.1:{node.port}/metrics") == 404, "and it is not where strangers come"
        assert listening_at(metrics) == ["127.0.0.1"]


@pytest.mark.postgres
def test_workers_share_a_listener_and_a_private_folder(
    database: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    metrics = free_port()
    installation = Installation.make(tmp_path, database=f'"{database}"', metrics_port=str(metrics), drain_seconds="0")
    node = Node(installation, free_port(), ("--workers", "2"))
    with running(node):
        assert status_of(f"http://127.0.0.1:{metrics}/metrics") == 200
        assert status_of(f"http://127.0.0.1:{node.port}/metrics") == 404
        [before] = folders(node)
        assert before.stat().st_mode & 0o777 == 0o700
        assert node.process is not None
        children = Path(f"/proc/{node.process.pid}/task/{node.process.pid}/children").read_text().split()
        node.signal(signal.SIGKILL)
        node.wait()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        until(lambda: status_of(f"http://127.0.0.1:{metrics}/metrics") == 0)
        assert folders(node) == [before]
        node.start()
        [after] = folders(node)
        assert after != before, "what a killed server left is swept away"
    assert folders(node) == []


def test_an_address_that_is_taken_is_told(
    tmp_path: Path, free_port: Callable[[], int], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = Installation.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    node = Node(installation, free_port())
    with running(node):
        monkeypatch.setenv("IDP_METRICS_PORT", str(node.port))
        monkeypatch.setenv("IDP_LISTEN_PORT", str(free_port()))
        assert run(["serve"]) == 1
    said = capfd.readouterr().err
    assert f"127.0.0.1:{node.port}" in said
    assert "metrics_port" in said


def listening_at(port: int) -> list[str]:
    lines = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return [line.split()[3].rpartition(":")[0] for line in lines.splitlines()]
