"""``idp serve --profile conformance``: off unless asked for, in a folder of its own, and loud at every start.

``tests/test_dev_only.py`` shows that no setting brings its powers to a plain ``idp serve``.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cli_support import Idp, unused_port
from test_cli_dev_only import CLEAN, COMMAND, _until_it_answers

from idp.cli.conformance import KEYED_CLIENTS, MARKER, SEED, SETTINGS, Suite, is_local, manifest
from idp.cli.group import COMMANDS
from idp.config.toml_source import TomlSource
from idp.jose import LocalSigner, generate_private_key
from idp.manifest import parse_manifest
from idp.protocol.claims import CLAIMS
from idp.protocol.registration_responses import offered
from idp.settings_described import describe

SUITE = "https://suite.test:8443"
BANNER = "CONFORMANCE PROFILE: for the OpenID Foundation's suite, never for people."


@pytest.fixture
def folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("SUITE_BASE_URL", "ALIAS", "SUITE_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IDP_ISSUER", "https://op.test:9443")
    # A start that should have been refused finds its port taken, and the test ends.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("IDP_LISTEN_PORT", str(taken.getsockname()[1]))
        yield here


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no SUITE_BASE_URL"),
        (["--suite-base-url", "http://suite.test"], "called by https"),
        (["--suite-base-url", "https://suite.test/?a=b"], "without query"),
        (["--suite-base-url", 'https://suite.test/"'], "called by https"),
        (["--suite-base-url", SUITE, "--suite-alias", "a/b"], "an alias is one word"),
        (["--suite-base-url", SUITE, "--workers", "2"], "SQLite means one process"),
    ],
)
def test_without_its_suite_it_does_not_start(idp: Idp, folder: Path, arguments: list[str], words: str) -> None:
    said = idp("serve", "--profile", "conformance", *arguments)
    assert said.status == 2
    assert words in said.err
    assert list(folder.iterdir()) == [], "refused before anything was made"


def test_it_takes_no_folder_that_another_installation_holds(
    idp: Idp, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert idp("init", "--issuer", "https://id.example.com").status == 0
    assert idp("migrate").status == 0
    monkeypatch.setenv("IDP_DATA_DIR", "data")
    said = idp("serve", "--profile", "conformance", "--suite-base-url", SUITE)
    assert said.status == 2
    assert "keeps a folder of its own" in said.err
    assert not (folder / "data" / MARKER).exists()


def test_it_takes_no_postgresql(idp: Idp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_DATABASE", "postgresql://idp:secret@127.0.0.1/idp")
    said = idp("serve", "--profile", "conformance", "--suite-base-url", SUITE)
    assert said.status == 2
    assert "a PostgreSQL database" in said.err


def test_a_profile_that_is_not_there(idp: Idp, folder: Path) -> None:
    assert idp("serve", "--profile", "default", "--suite-base-url", SUITE).status == 2
    assert list(folder.iterdir()) == []


def test_nothing_but_the_option_asks_for_it() -> None:
    """No setting and no variable: what the profile turns are settings, who lives in it is this option's alone."""
    assert not [row.name for row in describe() if "conformance" in f"{row.name} {row.type} {row.variable.lower()}"]
    assert not any("conformance" in name for name in COMMANDS)
    assert SETTINGS.keys() <= {row.name for row in describe()}


@contextmanager
def profile(folder: Path, port: int, **environ: str) -> Iterator[str]:
    log = folder / "log"
    given = {"IDP_ISSUER": f"http://localhost:{port}", "IDP_LISTEN_PORT": str(port), "SUITE_BASE_URL": SUITE}
    command = [*COMMAND, "serve", "--profile", "conformance"]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env={**CLEAN, **given, **environ}, stdout=out, stderr=out)
        try:
            _until_it_answers(process, f"http://localhost:{port}", log)
            yield log.read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def test_it_starts_from_nothing_with_casey_and_says_so_each_time(
    idp: Idp, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = unused_port()
    (folder / "keys").mkdir()
    for client_id in KEYED_CLIENTS:
        jwk = LocalSigner(generate_private_key("ES256"), "k1", "ES256").jwk()
        (folder / "keys" / f"{client_id}.json").write_text(json.dumps({"keys": [dict(jwk)]}))
    with profile(folder, port) as said:
        assert BANNER in said
        assert "no SUITE_KEYS" in said
        _sign_in(f"http://localhost:{port}")
    data = folder / ".idp-conformance"
    assert {"conformance-profile", "key-encryption-key"} <= {path.name for path in data.iterdir()}
    assert data.stat().st_mode & 0o777 == 0o700
    with profile(folder, port, SUITE_KEYS="keys", ALIAS="mine") as said:
        assert BANNER in said
        assert "no SUITE_KEYS" not in said
        monkeypatch.setenv("IDP_DATA_DIR", str(data))
        assert all(name in idp("client", "list").out for name in (*KEYED_CLIENTS, "cts-basic-1"))
        assert "/test/a/mine/callback" in idp("export").out
    plain = idp("serve")
    assert plain.status == 2
    assert "published passwords" in plain.err


def _sign_in(base: str) -> None:
    request = {
        "response_type": "code",
        "client_id": "cts-basic-1",
        "redirect_uri": f"{SUITE}/test/a/idp/callback",
        "scope": "openid profile email address phone",
    }
    with httpx2.Client(base_url=base, trust_env=False, follow_redirects=True) as http:
        login = http.get("/authorize", params=request)
        [sealed] = re.findall(r'name="t" value="([^"]+)"', login.text)
        form = {"t": sealed, "username": "casey", "password": "casey-password"}
        page = http.post("/login", data=form, headers={"origin": base, "sec-fetch-site": "same-origin"})
        assert 'id="consent-allow"' in page.text


def test_a_host_that_others_may_reach_is_warned_about() -> None:
    for host in ("localhost", "op.test", "op.localhost", "op", "127.0.0.1", "10.1.2.3", "fc00::1", "[::1]", "op.local"):
        assert is_local(host), host
    for host in ("id.example.com", "op.test.example.com", "93.184.215.14", "2606:2800::1"):
        assert not is_local(host), host


def test_casey_has_every_standard_claim_and_each_client_the_suites_addresses(folder: Path) -> None:
    text = manifest(Suite(SUITE, "ourop"))
    asked = parse_manifest(TomlSource(text, "seed"), folder, response_types=offered(True))
    [casey] = asked.people
    assert set(CLAIMS) - {"updated_at"} == set(casey.claims), "the server keeps updated_at"
    for client in asked.clients:
        assert all(uri.startswith(f"{SUITE}/test/a/ourop/callback") for uri in client.redirect_uris)


def test_keys_that_are_not_there_are_told(idp: Idp, folder: Path) -> None:
    (folder / "empty").mkdir()
    said = idp("serve", "--profile", "conformance", "--suite-base-url", SUITE, "--suite-keys", "empty")
    assert said.status == 2
    assert "cts-pkjwt-1.json" in said.err
    assert list(folder.iterdir()) == [folder / "empty"]


def test_the_seed_holds_no_key() -> None:
    seed: dict[str, Any] = tomllib.loads(SEED.read_text(encoding="utf-8"))
    assert not any("jwks" in client for client in seed["clients"])
    assert "PRIVATE" not in SEED.read_text(encoding="utf-8")
