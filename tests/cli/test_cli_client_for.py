"""``idp client add NAME --for KIND``: what is registered, and the snippets for Python and the shell run as printed."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest
from cli_support import unused_port
from snippet_world import ENVIRONMENT, ROOT, Dev, running_dev, started, until_answered

from idp.cli.kinds import KINDS, filled, snippet, values_of

LONGEST = 28  # lines


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with running_dev(tmp_path_factory.mktemp("dev")) as found:
        yield found


@pytest.mark.parametrize(("kind", "module"), [("fastapi", "fastapi"), ("flask", "flask"), ("drf", "drf")])
def test_an_api_takes_tokens_for_itself_alone(dev: Dev, tmp_path: Path, kind: str, module: str) -> None:
    if find_spec(f"idp.verify.{module}") is None:
        pytest.skip(f"idp.verify has no {module} here")
    port, name = unused_port(), f"notes-{kind}"
    uri = f"http://localhost:{port}"
    made = dev.add(name, kind, "--resource", uri)
    made.saved(tmp_path)
    _, serve, token, call = made.typed
    with started(serve, tmp_path) as log:
        assert until_answered(f"{uri}/me", log).status_code == 401
        said = dev.command(*token.removeprefix("T=$(idp ").removesuffix(")").split())
        answer = httpx2.get(f"{uri}/me", headers={"authorization": f"Bearer {said.out.strip()}"}, trust_env=False)
        assert (answer.status_code, answer.json()) == (200, {"you": "alice"}), log.read_text()
        strange = dev.command("token", "alice").out.strip()
        refused = httpx2.get(f"{uri}/me", headers={"authorization": f"Bearer {strange}"}, trust_env=False)
        assert refused.status_code == 401
        assert "aud" in refused.text
    assert call.endswith(f"{uri}/me")
    assert made.values == {"client_id": name, "resource": uri, "scope": f"{name}:use"}


def test_an_mcp_server(dev: Dev, tmp_path: Path) -> None:
    port = unused_port()
    made = dev.add("tools", "mcp", "--resource", f"http://localhost:{port}/mcp")
    made.saved(tmp_path)
    token = dev.command("token", "alice", "--client", "tools", "--resource", f"http://localhost:{port}/mcp").out.strip()
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    headers = {"accept": "application/json, text/event-stream"}
    with started(made.typed[1], tmp_path) as log:
        stranger = until_answered(f"http://localhost:{port}/mcp", log)
        assert stranger.status_code == 401
        assert "resource_metadata" in stranger.headers["www-authenticate"]
        headers["authorization"] = f"Bearer {token}"
        answer = httpx2.post(f"http://localhost:{port}/mcp", json=call, headers=headers, trust_env=False)
        assert answer.json()["result"]["serverInfo"]["name"] == "tools", log.read_text()


@pytest.mark.parametrize("resource", ["", "http://localhost:8001"])
def test_curl_for_a_program(dev: Dev, tmp_path: Path, resource: str) -> None:
    name = "job-there" if resource else "job"
    if resource:
        dev.command("resource", "add", resource)
    made = dev.add(name, "curl", *(("--resource", resource) if resource else ()))
    (tmp_path / "call.sh").write_text(made.text)
    assert made.typed == ["sh call.sh"]
    done = subprocess.run(["sh", "call.sh"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["active"], told["sub"], told["aud"]) == (True, name, resource or dev.issuer)
    assert made.values["client_secret"] in made.text


def test_the_snippet_alone_is_standard_output(dev: Dev) -> None:
    made = dev.add("alone", "express")
    assert made.text.startswith("// server.mjs\nimport ")
    assert made.values["client_secret"] not in made.text, "it is given to the process, not to the file"
    assert "not shown again" in made.beside


@pytest.mark.parametrize("kind", KINDS)
def test_snippets_are_short_and_whole(kind: str) -> None:
    text = snippet(kind)
    assert len(text.splitlines()) <= LONGEST
    assert max(map(len, text.splitlines())) <= 120
    for issuer in ("http://localhost:8000", "https://id.example.com"):
        values = values_of(issuer, "https://a.example.com/x/y", "name", "secret", "openid", "https://a.example.com/x")
        whole = filled(text, {**values, "PASSPHRASE": "words"})
        assert not [name for name in values if f"@{name}@" in whole]
        assert len(whole.splitlines()) == len(text.splitlines())
        assert issuer in whole
    assert ("allowInsecureRequests" in whole) is False
    bare = filled(text, {**values, "RESOURCE": "", "PASSPHRASE": "words"})
    assert "@RESOURCE@" not in bare


def test_the_page_for_operators_names_every_kind() -> None:
    table = (ROOT / "docs" / "operate.md").read_text("utf-8").partition("| `--for` |")[2].partition("\n\n")[0]
    first = " ".join(row.split("|")[1] for row in table.splitlines()[2:])
    assert set(re.findall("`([a-z]+)`", first)) == set(KINDS)


def test_what_each_kind_registers(dev: Dev) -> None:
    for kind in KINDS:
        dev.add(f"of-{kind}", kind, *(("--resource", f"http://localhost:7000/{kind}") if kind == "mcp" else ()))
    listed = dev.command("client", "list", "--limit", "200").out
    rows = {line.split()[0]: line for line in listed.splitlines()[1:]}
    assert all(" none " in rows[f"of-{kind}"] for kind in ("fastapi", "drf", "flask", "mcp", "react", "vue", "angular"))
    assert all("client_secret" in rows[f"of-{kind}"] for kind in ("express", "apache", "curl"))
    assert "client_credentials" in rows["of-curl"]
    origin = {"origin": "http://localhost:5173", "access-control-request-method": "POST"}
    preflight = httpx2.options(f"{dev.issuer}/token", headers=origin, trust_env=False)
    assert preflight.headers["access-control-allow-origin"] == "http://localhost:5173"


def test_what_is_registered_already_stays_as_it_is(dev: Dev) -> None:
    (dev.folder / "api.toml").write_text(
        '[[scopes]]\nname = "read"\ndescription = "Words of somebody"\n'
        '[[resources]]\nuri = "http://localhost:7001"\nname = "Kept"\nscopes = ["other"]\n[[scopes]]\nname = "other"\n'
    )
    assert dev.command("apply", "api.toml").status == 0
    dev.add("kept", "flask", "--resource", "http://localhost:7001", "--scope", "read")
    export = dev.command("export").out
    assert 'description = "Words of somebody"' in export
    assert 'name = "Kept"' in export
    again = dev.command("client", "add", "kept", "--for", "flask", "--resource", "http://localhost:7002")
    assert (again.status, "each client_id once" in again.err, again.out) == (1, True, "")
    assert "7002" not in dev.command("resource", "list").out


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("react", "--service"), "--for says what kind of client it is"),
        (("react", "--no-refresh"), "--for says what kind of client it is"),
        (("curl", "--redirect-uri", "http://localhost/"), "nobody is sent back"),
        (("fastapi", "--redirect-uri", "http://localhost/"), "nobody is sent back"),
        (("vue", "--redirect-uri", "http://localhost/", "--redirect-uri", "http://localhost/b"), "room for one"),
        (("flask", "--resource", 'http://localhost/"+evil()'), "names and addresses in a snippet are plain"),
        (("flask", "--resource", "http://localhost/\nevil"), "names and addresses in a snippet are plain"),
        (("express", "--scope", "a\\b"), "names and addresses in a snippet are plain"),
    ],
)
def test_what_does_not_go_together(dev: Dev, words: tuple[str, ...], rule: str) -> None:
    said = dev.command("client", "add", "refused", "--for", *words)
    assert (said.status, rule in said.err, said.out) == (2, True, ""), said.err
    assert "refused" not in dev.command("client", "list", "--limit", "200").out


def test_the_name_of_a_kind_is_checked(dev: Dev) -> None:
    said = dev.command("client", "add", "x", "--for", "cobol")
    assert said.status == 2
    assert "'curl'" in said.err
