"""Metrics of ``idp serve --workers 2``: one sum, also under load, and after a worker was replaced."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_postgres_workers import _MAIN, answers, children, gets_a_token, idp, until

pytestmark = pytest.mark.postgres

TOKENS = 'idp_tokens_issued_total{grant_type="client_credentials"}'
CLIENT = (
    '[[clients]]\nclient_id = "late"\nclient_secret = "late-secret-0123456789"\nscope = ""\n'
    'grant_types = ["client_credentials"]\ntoken_endpoint_auth_method = "client_secret_post"\n'
)


@pytest.fixture
def ports(free_port: Callable[[], int]) -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture
def serving(tmp_path: Path, database: str, ports: tuple[int, int]) -> Iterator[subprocess.Popen[bytes]]:
    port, metrics = ports
    assert idp(tmp_path, "init", "--issuer", f"http://localhost:{port}", "--port", str(port)).returncode == 0
    file = tmp_path / "idp.toml"
    text = re.sub(r"(?m)^# database = .*$", f'database = "{database}"', file.read_text())
    file.write_text(f"metrics_port = {metrics}\ndrain_seconds = 0\n{text}")
    (tmp_path / "apply.toml").write_text(CLIENT)
    for words in (["migrate"], ["apply", "apply.toml"]):
        said = idp(tmp_path, *words)
        assert said.returncode == 0, said.stderr
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", _MAIN, "serve", "--workers", "2"], cwd=tmp_path, stderr=log)
    until(lambda: answers(port) and len(children_of(process)) == 2)
    yield process
    process.terminate()
    process.wait(20)


def children_of(process: subprocess.Popen[bytes]) -> set[int]:
    return children(process)  # type: ignore[arg-type]


def scraped(ports: tuple[int, int]) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def counted_by(folder: Path, pid: int) -> bool:
    return any(folder.glob(f"*/metrics-*/counter_{pid}.db"))


def test_workers_count_together(
    serving: subprocess.Popen[bytes], tmp_path: Path, ports: tuple[int, int]
) -> None:
    before = children_of(serving)
    wanted = 0
    with ThreadPoolExecutor(4) as people:
        while wanted < 200 or not all(counted_by(tmp_path, pid) for pid in before):
            load = [people.submit(gets_a_token, ports[0]) for _ in range(50)]
            seen = [scraped(ports).get(TOKENS, 0) for _ in range(5)]
            assert seen == sorted(seen), "a sum never goes back"
            assert all(each.result() for each in load)
            wanted += 50
            assert wanted < 2000, "both workers take requests"
    assert {scraped(ports)[TOKENS] for _ in range(6)} == {wanted}, "whoever is asked"
    found = scraped(ports)
    assert found['idp_keys_published{alg="RS256"}'] == 2, "the same ring, not two"
    assert found['idp_requests_total{endpoint="/token",method="POST",status="2xx"}'] == wanted

    # A worker that dies in its first two seconds is taken for one that cannot start.
    until(lambda: time.time() - max(Path(f"/proc/{pid}").stat().st_mtime for pid in before) > 2.1)
    gone = min(before)
    held = f"*/metrics-*/gauge_live*_{gone}.db"
    assert any(tmp_path.glob(held))
    os.kill(gone, signal.SIGKILL)
    until(lambda: len(children_of(serving)) == 2 and children_of(serving) != before)
    until(lambda: not any(tmp_path.glob(held)))
    until(lambda: answers(ports[0]))
    assert scraped(ports)[TOKENS] == wanted, "what it had counted stays"
    serving.terminate()
    assert serving.wait(20) == 0
    assert not any(tmp_path.glob("*/metrics-*")), "no folder is left"
