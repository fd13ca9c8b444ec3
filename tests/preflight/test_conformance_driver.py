"""``conformance/``: what a suite is sent, and when a module's answer is good. No suite is needed, and none is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from preflight_support import SUITE

from conformance.expected import Expected, read, verdict
from conformance.generate import config, make_keys
from conformance.plans import BY_NAME, PLANS
from conformance.suite import Module, Suite
from idp.cli.conformance import KEYED_CLIENTS, manifest, suite_of
from idp.config.toml_source import TomlSource
from idp.manifest import Manifest, parse_manifest
from idp.protocol.registration_responses import offered

ROOT = Path(__file__).parents[2]
ISSUER = "https://op.test:9443"
SKIP = Expected("m", "SKIPPED", ("basic",), "not offered to anybody")
WARN = Expected("m", "WARNING", ("*",), "known and told upstream", "CheckThat")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return folder


@pytest.fixture(scope="module")
def seeded(keys: Path) -> Manifest:
    source = TomlSource(manifest(suite_of(SUITE.base_url, "ourop", str(keys))), "seed")
    return parse_manifest(source, keys, response_types=offered(True))


STATIC = [plan for plan in PLANS if plan.clients in ("secrets", "keys")]


@pytest.mark.parametrize("plan", STATIC, ids=lambda plan: plan.name)
def test_every_client_a_plan_names_is_one_of_the_profile(plan: Any, keys: Path, seeded: Manifest) -> None:
    known = {client.client_id for client in seeded.clients}
    made = config(plan, ISSUER, SUITE.base_url, "ourop", make_keys(keys))
    named = {value["client_id"] for name, value in made.items() if name.startswith("client")}
    assert named
    assert named <= known


def test_the_server_gets_the_public_half_of_the_suites_keys(keys: Path, seeded: Manifest) -> None:
    assert set(KEYED_CLIENTS) <= {client.client_id for client in seeded.clients}
    for client_id, private in make_keys(keys).items():
        public = json.loads((keys / f"{client_id}.json").read_text())
        assert [key["kid"] for key in public["keys"]] == [key["kid"] for key in private["keys"]]
        assert not any("d" in key for key in public["keys"])
        assert (keys / f"{client_id}.private.json").stat().st_mode & 0o077 == 0


def test_the_generator_writes_every_plan(tmp_path: Path) -> None:
    generate = [sys.executable, "-m", "conformance.generate"]
    command = [*generate, "--issuer", ISSUER, "--suite", SUITE.base_url, "--out", str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "SUITE_KEYS=" in said
    assert {path.stem for path in tmp_path.glob("*.json")} == set(BY_NAME)


@pytest.mark.parametrize(
    ("plan", "result", "complaints", "rows", "said"),
    [
        ("basic", "PASSED", (), (), ""),
        ("basic", "REVIEW", (), (), ""),
        ("basic", "FAILED", (), (), "FAILED, not expected"),
        ("basic", "SKIPPED", (), (), "SKIPPED, not expected"),
        ("basic", "SKIPPED", (), (SKIP,), ""),
        ("hybrid", "SKIPPED", (), (SKIP,), "SKIPPED, not expected"),
        ("basic", "FAILED", (), (SKIP,), "FAILED, not expected"),
        ("basic", "PASSED", (), (SKIP,), "take the line out"),
        ("hybrid", "WARNING", ("WARNING CheckThat: so",), (WARN,), ""),
        ("hybrid", "WARNING", ("WARNING CheckThat: so", "WARNING Other: no"), (WARN,), "of another condition"),
        ("hybrid", "FAILED", ("FAILURE CheckThat: so",), (WARN,), "FAILED, not expected"),
    ],
)
def test_what_is_good(
    plan: str, result: str, complaints: tuple[str, ...], rows: tuple[Expected, ...], said: str
) -> None:
    found = verdict(plan, "m", result, complaints, rows)
    assert said in found if said else not found


def test_every_line_of_the_list_has_a_reason_and_a_plan() -> None:
    for row in read():
        assert set(row.plans) <= {*BY_NAME, "*"}


@pytest.mark.parametrize("text", ['reason = "no"\nresult = "SKIPPED"', 'reason = "it is a pity"\nresult = "FAILED"'])
def test_a_line_without_a_reason_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.toml").write_text(f'[[expected]]\nmodule = "m"\nplans = ["*"]\n{text}\n')
    with pytest.raises(ValueError, match="reason in words"):
        read(tmp_path / "list.toml")


def test_without_an_address_nothing_runs(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "conformance", "-p", "no:cacheprovider"]
    said = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert said.returncode == 0
    assert "1 skipped" in said.stdout
    collected = [*command[:2], "pytest", "--collect-only", "-q", "tests/preflight/test_preflight_metadata.py"]
    assert "conformance/" not in subprocess.run(collected, cwd=ROOT, env=environ, capture_output=True, text=True).stdout


class _Answers(BaseHTTPRequestHandler):
    """A suite with one module that does not start by itself, and warns."""

    asked: list[str] = []
    started = False

    def do_GET(self) -> None:
        if self.path.startswith("/api/info"):
            status = "FINISHED" if _Answers.started else "CONFIGURED"
            return self._say({"status": status, "result": "WARNING"})
        return self._say([{"result": "WARNING", "src": "CheckThat", "msg": "so"}, {"result": "SUCCESS", "src": "x"}])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        _Answers.asked.append(self.path.partition("?")[0])
        _Answers.started = self.path == "/api/runner/r1"
        answers = {"/api/plan": {"id": "p1", "modules": [{"testModule": "m", "variant": {"a": "b"}}]}}
        self._say(answers.get(self.path.partition("?")[0], {"id": "r1"}))

    def _say(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test reads ``asked``."""


def test_a_module_is_started_seen_to_its_end_and_its_complaints_are_read() -> None:
    ready: list[bool] = []
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            suite = Suite(f"http://127.0.0.1:{server.server_port}")
            plan, modules = suite.new_plan("some-plan", {}, {})
            assert modules == [Module("m", {"a": "b"})]
            outcome = suite.run(plan, modules[0], 10, lambda: ready.append(_Answers.started))
        finally:
            server.shutdown()
            thread.join()
    assert ready == [False], "before it was started"
    assert (outcome.status, outcome.result) == ("FINISHED", "WARNING")
    assert outcome.complaints == ("WARNING CheckThat: so",)
    assert _Answers.asked == ["/api/plan", "/api/runner", "/api/runner/r1"]
