"""Commands against a running ``idp dev``: they find it by its socket, and over HTTP like any app."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from cli_support import Idp, Said, sign_in_by_form, unused_port

from idp.cli.group import run
from idp.jose import read_unverified

IDP = [sys.executable, "-c", "from idp.cli import main; main()"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
# A key may sign once it has stood in the JWKS for this long and a tenth more.
QUICK = {"IDP_KEYS_LONGEST_CACHE": "1", "IDP_KEYS_JWKS_MAX_AGE": "1"}


class Running(NamedTuple):
    folder: Path
    issuer: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("dev")
    port = unused_port()
    log = (folder / "log").open("w")
    command = [*IDP, "dev", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=CLEAN | QUICK)
    issuer = f"http://localhost:{port}"
    try:
        _until_ready(process, f"{issuer}/readyz", folder)
        yield Running(folder, issuer)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        log.close()


def _until_ready(process: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    end = time.monotonic() + 30
    # Seeding comes after the address answers and before the first line.
    while "idp dev" not in (folder / "log").read_text():
        if process.poll() is not None or time.monotonic() > end:
            raise AssertionError((folder / "log").read_text())
        time.sleep(0.05)
    assert httpx2.get(url).status_code == 200


@pytest.fixture
def dev(running: Running, here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Idp:
    monkeypatch.chdir(running.folder)

    def command(*arguments: str) -> Said:
        capfd.readouterr()
        status = run(arguments)
        captured = capfd.readouterr()
        return Said(status, captured.out, captured.err)

    return command


def test_token_prints_the_access_token_alone_and_keeps_the_refresh_token(dev: Idp, running: Running) -> None:
    said = dev("token", "alice")
    assert said.status == 0
    assert said.out.count("\n") == 1
    token = read_unverified(said.out.strip())
    assert token.claims["iss"] == running.issuer
    assert token.claims["exp"] - token.claims["iat"] == 300
    stored = running.folder / ".idp" / "session.json"
    assert stored.stat().st_mode & 0o777 == 0o600
    assert json.loads(stored.read_text())["refresh_token"] not in said.out + said.err
    hello = httpx2.get(f"{running.issuer}/hello", headers={"Authorization": f"Bearer {said.out.strip()}"})
    assert hello.status_code == 200


def test_ttl_scope_and_person_are_heard(dev: Idp) -> None:
    said = dev("token", "bob", "--ttl", "5", "--scope", "openid")
    claims = read_unverified(said.out.strip()).claims
    assert claims["exp"] - claims["iat"] == 5
    assert claims["scope"] == "openid"
    unknown = dev("token", "nobody")
    assert unknown.status == 1
    assert unknown.out == ""
    assert "idp user list" in unknown.err


def test_decode_flip_and_verify_find_the_keys_of_an_issuer_on_this_machine(dev: Idp, running: Running) -> None:
    token = dev("token", "alice").out.strip()
    assert "signature does not match" in dev("decode", "--flip", token).out
    assert dev("verify", token).status == 0
    assert dev("verify", "--issuer", running.issuer, "--audience", running.issuer, token).status == 0
    (running.folder / "keys.json").write_text(dev("keys", "export").out)
    (running.folder / "public.pem").write_text(dev("keys", "export", "--pem").out)
    assert '"d"' not in (running.folder / "keys.json").read_text()
    assert dev("verify", "--jwks", "keys.json", token).status == 0
    assert dev("verify", "--pem", "public.pem", token).status == 0
    assert dev("keys", "export", "--pem", "--alg", "HS256").status == 2


def test_refresh_rotates_and_a_late_replay_kills_the_family(dev: Idp, running: Running) -> None:
    first = dev("token", "alice").out
    assert dev("refresh", "--replay").status == 1
    said = dev("refresh")
    assert said.status == 0
    assert said.out != first
    within = dev("refresh", "--replay")
    assert "answers 200" in within.out
    assert "same successor" in within.out
    time.sleep(2.2)  # the sample client's grace is 2 s
    late = dev("refresh", "--replay")
    assert late.status == 0
    assert "400 invalid_grant" in late.out
    assert "family is revoked" in late.out
    dead = dev("refresh")
    assert dead.status == 1
    assert "idp token alice" in dead.err
    assert "refresh.replayed" in dev("audit", "tail", "-n", "5").out
    events = [json.loads(line) for line in dev("audit", "tail", "--json", "-n", "3").out.splitlines()]
    assert len(events) == 3


def test_rotation_changes_the_kid_and_old_tokens_stay_valid(dev: Idp) -> None:
    old = dev("token", "alice").out.strip()
    said = dev("keys", "rotate")
    if said.status != 0:
        assert "not yet" in said.out
        time.sleep(1.2)  # the lead of QUICK
        said = dev("keys", "rotate")
    assert said.status == 0
    new = dev("token", "alice").out.strip()
    assert read_unverified(old).header["kid"] != read_unverified(new).header["kid"]
    assert dev("verify", old).status == dev("verify", new).status == 0
    drawn = dev("keys", "list").out
    assert "retiring" in drawn
    assert read_unverified(new).header["kid"] in drawn
    states = {life["state"] for life in json.loads(dev("keys", "list", "--json").out)}
    assert {"signing", "waiting", "retiring"} <= states


def test_an_emergency_says_what_breaks_and_a_revoked_key_is_gone(dev: Idp) -> None:
    said = dev("keys", "rotate", "--emergency")
    assert said.status == 0
    assert "signs now" in said.out
    old = next(life["kid"] for life in json.loads(dev("keys", "list", "--json").out) if life["state"] == "retiring")
    assert dev("keys", "revoke", old).status == 0
    assert old not in dev("keys", "export").out
    assert dev("keys", "revoke", "nosuch").status == 1


def test_people(dev: Idp, running: Running) -> None:
    (running.folder / "pw").write_text("a new password\n")
    added = dev("user", "add", "carol", "--name", "Carol C", "--email", "carol@example.com", "--password-file", "pw")
    assert added.status == 0
    again = dev("user", "add", "carol", "--password-file", "pw")
    assert again.status == 1
    assert dev("user", "passwd", "carol", "--password-file", "pw").status == 0
    listed = dev("user", "list").out
    assert "carol@example.com" in listed
    assert "alice" in listed
    bad = dev("user", "add", "dave", "--email", "nonsense", "--password-file", "pw")
    assert bad.status == 2
    assert "name@host" in bad.err
    assert dev("user", "add", "dave", "--password-file", "nowhere").status == 2
    assert "a new password" not in added.out + added.err + dev("audit", "tail", "-n", "50").out


def test_clients(dev: Idp, running: Running) -> None:
    added = dev("client", "add", "shop", "--redirect-uri", "https://shop.example/cb", "--name", "Shop")
    assert added.status == 0
    secret = added.out.split("client_secret")[1].strip()
    assert len(secret) >= 32
    listed = dev("client", "list").out
    assert "shop" in listed
    assert "client_secret_basic" in listed
    assert secret not in listed
    second = dev("client", "secret", "add", "shop")
    assert second.out.split()[1] != secret
    assert "idp client secret retire shop --older" in second.err
    ids = dev("client", "secret", "list", "shop").out.split()
    assert ids == [hashlib.sha256(text.encode()).hexdigest()[:8] for text in (second.out.split()[1], secret)]
    assert dev("client", "secret", "retire", "shop").status == 2
    assert dev("client", "secret", "retire", "shop", "--id", "nonsense").status == 1
    assert ids[1] in dev("client", "secret", "retire", "shop", "--older").out
    assert "the only one" in dev("client", "secret", "retire", "shop", "--id", ids[0]).err
    public = dev("client", "add", "spa", "--public", "--redirect-uri", "http://localhost:3000/cb")
    assert public.status == 0
    assert "client_secret" not in public.out
    assert dev("client", "add", "worker", "--service").status == 0
    apart = dev("client", "add", "apart", "--pairwise", "--redirect-uri", "https://apart.example/cb")
    assert apart.status == 0
    told = dev("token", "alice", "--client", "apart")
    assert len(read_unverified(told.out.strip()).claims["sub"]) == 43
    hosts = ("--redirect-uri", "https://a.example/", "--redirect-uri", "https://b.example/")
    nowhere = dev("client", "add", "many", "--pairwise", *hosts)
    assert nowhere.status == 2
    assert "sector_identifier_uri" in nowhere.err
    refused = dev("client", "add", "bad", "--redirect-uri", "http://shop.example/cb")
    assert refused.status == 2
    assert "redirect_uris" in refused.err
    assert "bad" not in dev("client", "list").out


def test_apply_twice_changes_nothing(dev: Idp, running: Running) -> None:
    (running.folder / "apply.toml").write_text(
        '[[clients]]\nclient_id = "web"\nclient_secret = "0123456789abcdef0123"\nredirect_uris = ["https://a.example/cb"]\n'
        'resources = ["https://api.example"]\n'
        '[[people]]\nusername = "dora"\npassword = "dora"\n[people.address]\ncountry = "DE"\n'
        '[[resources]]\nuri = "https://api.example"\nscopes = ["read"]\naccess_token_lifetime = "2m"\n'
        '[[scopes]]\nname = "read"\ndescription = "Read things"\nclaims = ["email"]\n'
    )
    first = dev("apply", "apply.toml")
    assert first.status == 0
    assert "4 created" in first.out
    assert dev("apply", "apply.toml").out == "4 unchanged\n"
    assert "https://api.example" in dev("resource", "list").out
    assert "2 min" in dev("resource", "list").out
    (running.folder / "apply.toml").write_text("[[clients]]\nclient_ids = 'x'\n")
    refused = dev("apply", "apply.toml")
    assert refused.status == 2
    assert "apply.toml:2: unknown name" in refused.err


def test_check_lists_what_a_lesson_lacks(dev: Idp) -> None:
    assert dev("check").status == 0
    said = dev("check", "--deploy")
    assert said.status == 1
    failing = re.findall(r"^FAIL  ([^:]+):", said.out, re.MULTILINE)
    assert {"mode", "issuer"} <= set(failing)
    assert said.out.count("mend ") == len(failing)


def test_migrate_does_not_open_a_database_that_is_in_use(dev: Idp) -> None:
    said = dev("migrate")
    assert said.status == 1
    assert "another process" in said.err


def test_login_refresh_and_logout(dev: Idp, running: Running) -> None:
    command = [*IDP, "login", "--issuer", running.issuer, "--no-browser", "--timeout", "20"]
    with subprocess.Popen(
        command, cwd=running.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CLEAN
    ) as login:
        assert login.stderr is not None
        assert "sign in here" in login.stderr.readline()
        page = sign_in_by_form(login.stderr.readline().strip(), "alice")
        assert "return to the terminal" in page.text
        out, err = login.communicate(timeout=20)
    assert login.returncode == 0, err
    assert read_unverified(out.strip()).claims["sub"] == "alice"
    assert "signed in as alice" in err
    assert dev("refresh").status == 0
    said = dev("logout")
    assert said.status == 0
    assert "revoked" in said.out
    assert dev("logout").status == 1
    assert not (running.folder / ".idp" / "session.json").exists()


def test_login_takes_no_answer_that_is_not_its_own(running: Running) -> None:
    """A page that calls the listener with a code of its own gets nowhere: the state is not ours."""
    command = [*IDP, "login", "--issuer", running.issuer, "--no-browser", "--timeout", "20"]
    with subprocess.Popen(
        command, cwd=running.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CLEAN
    ) as login:
        assert login.stderr is not None
        login.stderr.readline()
        url = httpx2.URL(login.stderr.readline().strip())
        httpx2.get(url.params["redirect_uri"], params={"code": "evil", "state": "evil", "iss": running.issuer})
        out, err = login.communicate(timeout=20)
    assert (login.returncode, out) == (1, "")
    assert "another request" in err


def test_login_refuses_an_issuer_whose_document_is_not_its_own(dev: Idp, running: Running) -> None:
    other = running.issuer.replace("localhost", "127.0.0.1")
    said = dev("login", "--issuer", other, "--no-browser")
    assert said.status == 1
    assert "its own" in said.err or "must be there" in said.err
