"""What an operator does with people, apps and the audit, from nothing and with no server running."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_support import Idp
from sqlalchemy import Connection

from idp.app import DATABASE_FILE
from idp.store.accounts import put_account
from idp.store.audit import Journal
from idp.store.database import Database

PEOPLE = """
[[clients]]
client_id = "shop"
client_name = "Shop"
client_secret_file = "shop-secret"
redirect_uris = ["https://shop.example/cb"]
resources = ["https://api.example"]
refresh_grace = "2m"

[[clients]]
client_id = "robot"
token_endpoint_auth_method = "private_key_jwt"
grant_types = ["client_credentials"]
scope = ""
disabled = true
[[clients.jwks.keys]]
kty = "OKP"
crv = "Ed25519"
kid = "one"
x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

[[people]]
username = "zoë"
password_file = "zoe-password"
name = 'Zoë "Z" \\\\ 😀'
email_verified = false
[people.address]
formatted = "Way 1\\nBerlin"
country = "DE"

[[people]]
username = "Anna"
sub = "a-1"
disabled = true

[[scopes]]
name = "orders"
claims = ["email"]

[[resources]]
uri = "https://api.example"
scopes = ["orders"]
access_token_lifetime = "90s"
"""


@pytest.fixture
def installed(idp: Idp, here: Path) -> Path:
    assert idp("init", "--issuer", "https://id.example.com").status == 0
    assert idp("migrate").status == 0
    (here / "shop-secret").write_text("a secret of the shop 0123456789".replace(" ", "-"))
    (here / "zoe-password").write_text("quite a long password\n")
    (here / "apply.toml").write_text(PEOPLE)
    return here


def test_what_is_exported_makes_the_same_in_an_empty_database(
    idp: Idp, installed: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert idp("apply", "apply.toml").status == 0
    assert idp("client", "secret", "add", "shop").status == 0
    first = idp("export").out
    assert re.search(r'client_secret_hashes = \["[0-9a-f]{64}", "[0-9a-f]{64}"\]', first)
    assert "$argon2id$" in first
    assert first.count("disabled = true") == 2
    assert first.index('"Anna"') < first.index('"zo')
    (other := tmp_path_factory.mktemp("other")).joinpath("exported.toml").write_text(first)
    assert idp("apply", str(other / "exported.toml"), "--plan").status == 0, "here it changes nothing"
    monkeypatch.chdir(other)
    assert idp("init", "--issuer", "https://id.example.com").status == 0
    assert idp("migrate").status == 0
    assert idp("apply", "exported.toml").status == 0
    assert idp("export").out == first
    assert idp("export", "--without-people").out == first[: first.index("\n[[people]]")]
    assert idp("apply", "exported.toml").out.endswith("6 unchanged\n")


def test_a_plan_shows_members_and_breaks_and_its_status_tells(idp: Idp, installed: Path) -> None:
    said = idp("apply", "apply.toml", "--plan")
    assert said.status == 3
    assert "+ client shop" in said.out
    assert said.out.endswith("6 created: nothing is written yet\n")
    assert "idp apply apply.toml" in said.err
    assert idp("client", "list").out == ""
    assert idp("apply", "apply.toml").status == 0
    assert idp("apply", "apply.toml", "--plan").status == 0
    (installed / "shop-secret").write_text("another-secret-of-the-shop-0123456789")
    (installed / "apply.toml").write_text(PEOPLE.replace('"Shop"', '"Corner shop"'))
    said = idp("apply", "apply.toml", "--plan")
    assert said.status == 3
    assert '    client_name: "Shop" -> "Corner shop"\n' in said.out
    assert re.search(r"secret_hashes: [0-9a-f]{8} -> [0-9a-f]{8}\n  ! secret [0-9a-f]{8} is no longer valid", said.out)
    told = json.loads(idp("apply", "apply.toml", "--plan", "--json").out)
    assert told["changed"] == 1
    assert idp("apply", "apply.toml", "--json").status == 0
    assert idp("apply", "apply.toml", "--plan").status == 0
    (installed / "apply.toml").write_text("[[clients]]\nclient_ids = 'x'\n")
    assert idp("apply", "apply.toml", "--plan").status == 2, "a refused file is no plan"


def test_the_schema_for_editors_names_what_the_reader_takes(idp: Idp, here: Path) -> None:
    said = idp("apply", "--schema")
    assert said.status == 0
    schema = json.loads(said.out)
    sections = schema["$defs"]["ApplyFile"]["properties"]
    assert set(sections) == {"clients", "people", "scopes", "resources"}
    for section, found in sections.items():
        part = schema["$defs"][found["items"]["$ref"].rpartition("/")[2]]
        (here / "apply.toml").write_text(f"[[{section}]]\nnonsense = 1\n")
        taken = re.search(r"unknown name.*?expected\s+one of ([^\n]+)", idp("apply", "apply.toml").err, re.DOTALL)
        assert taken is not None
        assert set(part["properties"]) == set(taken[1].split(", "))
        assert part["additionalProperties"] is False
    client = schema["$defs"]["Client"]["properties"]
    assert {"type": "string", "pattern": "^[0-9]{1,9}[smhd]?$"} in client["refresh_grace"]["anyOf"]


@pytest.mark.parametrize(
    "hashes", ["'x'", "[]", str(["a" * 63]), str(["A" * 64]), str(["a" * 64] * 2), str([digit * 64 for digit in "abc"])]
)
def test_hashes_that_are_none_are_refused(idp: Idp, installed: Path, hashes: str) -> None:
    (installed / "apply.toml").write_text(
        f'[[clients]]\nclient_id = "x"\nredirect_uris = ["https://x.example/cb"]\nclient_secret_hashes = {hashes}\n'
    )
    said = idp("apply", "apply.toml")
    assert (said.status, "apply.toml:4: secrets by their hashes" in said.err) == (2, True)


def test_lists_come_in_pages_and_say_so(idp: Idp, installed: Path) -> None:
    database, journal = Database(installed / "data" / DATABASE_FILE), Journal("test")

    def come(connection: Connection) -> None:
        for name in (f"p{number:03}" for number in range(250)):
            put_account(connection, journal, new_id=name, username=name, password_hash=None, claims={}, now=1.0)

    database.write_now(come)
    database.close()
    first = idp("user", "list")
    assert first.out.count("\n") == 101
    assert "idp user list --after p099 --limit 100" in first.err
    third = idp("user", "list", "--after", "p199")
    assert third.out.splitlines()[1].split()[0] == "p200"
    assert "more" not in third.err
    found = idp("user", "list", "--prefix", "p24", "--limit", "3")
    assert [line.split()[0] for line in found.out.splitlines()[1:]] == ["p240", "p241", "p242"]
    assert "idp user list --prefix p24 --after p242 --limit 3" in found.err
    for number in range(3):
        assert idp("client", "add", f"c{number}", "--service").status == 0
    assert "idp client list --after c1 --limit 2" in idp("client", "list", "--limit", "2").err
    assert "c2" in idp("client", "list", "--after", "c1", "--limit", "2").out
    whole = idp("export").out
    assert whole.count("[[people]]") == 250
    assert whole.count("[[clients]]") == 3


def test_people_are_signed_out_and_removed(idp: Idp, installed: Path) -> None:
    assert idp("apply", "apply.toml").status == 0
    assert idp("client", "add", "cli", "--native", "--redirect-uri", "http://127.0.0.1/callback").status == 0
    assert idp("token", "zoë", "--client", "cli").status == 0
    assert "sessions ended: 0, grants: 1" in idp("user", "logout", "zoë").out
    assert "account.logged_out" in idp("audit", "tail").out
    assert idp("user", "logout", "nobody").status == 1
    assert "0 of 10 failed sign-ins counted, now none" in idp("user", "unlock", "zoë").out
    assert idp("user", "unlock", "nobody").status == 1
    assert idp("user", "remove", "zoë", "--yes").status == 0
    assert "zo" not in idp("user", "list").out
    assert "Way 1" not in idp("export").out
    assert "account.removed" in idp("audit", "tail").out
    assert idp("user", "remove", "zoë", "--yes").status == 1


def test_a_client_of_the_same_name_inherits_nothing(idp: Idp, installed: Path) -> None:
    assert idp("apply", "apply.toml").status == 0
    add = ("client", "add", "cli", "--native", "--redirect-uri", "http://127.0.0.1/callback")
    assert idp(*add).status == 0
    assert idp("token", "zoë", "--client", "cli").status == 0
    assert "grants revoked: 1" in idp("client", "remove", "cli", "--yes").out
    assert idp("client", "remove", "cli", "--yes").status == 1
    assert idp(*add).status == 0
    assert "grants: 0" in idp("user", "logout", "zoë").out
    assert "client.removed" in idp("audit", "tail").out


def test_a_client_is_disabled_and_enabled(idp: Idp, installed: Path) -> None:
    assert idp("apply", "apply.toml").status == 0
    assert idp("client", "disable", "shop").status == 0
    assert "disabled" in idp("client", "list").out.splitlines()[2]
    assert "client.disabled" in idp("audit", "tail").out
    assert idp("client", "enable", "shop").status == 0
    assert "disabled" not in idp("client", "list").out.splitlines()[2]
    for command in ("disable", "enable"):
        assert idp("client", command, "nobody").status == 1


def test_resources_are_added_and_removed_while_nobody_names_them(idp: Idp, installed: Path) -> None:
    assert idp("apply", "apply.toml").status == 0
    assert idp("resource", "add", "https://two.example", "--scope", "read", "--lifetime", "60").status == 0
    assert "https://two.example" in idp("resource", "list").out
    assert "each uri once" in idp("resource", "add", "https://two.example").err
    assert idp("resource", "add", "no uri").status == 2
    refused = idp("resource", "remove", "https://api.example")
    assert (refused.status, "shop" in refused.err) == (1, True)
    assert idp("resource", "remove", "https://two.example").status == 0
    assert idp("resource", "remove", "https://two.example").status == 1


def test_the_audit_goes_out_whole_in_spans_that_meet(idp: Idp, installed: Path) -> None:
    database, journal = Database(installed / "data" / DATABASE_FILE), Journal("writer")
    times = [1_790_000_000.0 + number // 7 for number in range(500)]  # several share a moment, and pages cut there
    other = Journal("a node more")

    def happened(connection: Connection) -> None:
        for at in times:
            for each in (journal, other):
                each.record(connection, at, "client.changed", client_id="shop", changed=["scope"])

    database.write_now(happened)
    database.close()
    said = idp("audit", "export")
    rows = [json.loads(line) for line in said.out.splitlines()]
    mine = [row for row in rows if row["writer"] == "writer"]
    assert [row["seq"] for row in mine] == [*range(1, 501)]
    assert len({(row["writer"], row["seq"]) for row in rows}) == len(rows) >= 1000
    assert list(rows[0]) == ["time", "at", "writer", "seq", "event", "client_id", "account_id", "detail"]
    assert datetime.fromisoformat(mine[0]["time"]) == datetime.fromtimestamp(times[0], UTC)
    assert re.search(r"idp audit export --since [0-9.]+", said.err)
    middle = "2026-09-21T14:14Z"
    earlier = idp("audit", "export", "--until", middle, "--output", "earlier.jsonl")
    assert earlier.out == ""
    assert (installed / "earlier.jsonl").stat().st_mode & 0o777 == 0o600
    both = (installed / "earlier.jsonl").read_text() + idp("audit", "export", "--since", middle).out
    assert both == said.out
    assert len((installed / "earlier.jsonl").read_text()) > 1000
    assert idp("audit", "export", "--output", "earlier.jsonl").status == 1
    assert idp("audit", "export", "--since", "yesterday").status == 2
    assert idp("audit", "export", "--since", "24h").out == "", "what came in the last half minute is left for the next"


@pytest.mark.parametrize("kid", ["-vj834-J1KV72iUI414X3OLEEDsC", "-h834-J1KV72iUI414X3OLEEDsC", "--834-J1KV72iUI414X3"])
def test_a_kid_that_begins_with_a_dash_is_no_option(idp: Idp, installed: Path, kid: str) -> None:
    said = idp("keys", "revoke", kid)
    assert (said.status, kid in said.err) == (1, True), said


def typed(words: list[str], answers: list[str], folder: Path) -> tuple[int, str]:
    """A command at a terminal of its own, and what it shows there; each prompt gets the next answer."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-c", "from idp.cli import main; main()", *words])
    shown, waiting = "", list(answers)
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        shown += data.decode()
        if waiting and shown.endswith(": "):  # the space comes once the terminal has stopped to echo
            os.write(terminal, f"{waiting.pop(0)}\n".encode())
            shown += "\n"
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def test_the_first_person_is_added_at_a_terminal_and_the_password_never_shows(idp: Idp, installed: Path) -> None:
    answers = ["one long password", "another", "one long password", "one long password"]
    status, shown = typed(["user", "add", "root"], answers, installed)
    assert status == 0, shown
    assert shown.count("Password:") == 2
    assert "do not match" in shown
    assert "one long password" not in shown
    assert "idp login --client cli" in shown
    assert "account.created" in idp("audit", "tail").out


def test_a_start_that_repeats_adds_the_first_person_once(idp: Idp, installed: Path) -> None:
    add = ("user", "add", "root", "--password-file", "zoe-password")
    assert idp(*add, "--if-missing").out.startswith("added root")
    before = idp("export").out
    (installed / "zoe-password").write_text("another password")
    assert "nothing was changed" in idp(*add, "--if-missing").out
    assert idp("export").out == before
    assert idp(*add).status == 1
