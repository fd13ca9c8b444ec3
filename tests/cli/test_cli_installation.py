"""From nothing to an installation, and the commands that need no running server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import click
import pytest
from cli_support import Idp, Said

from idp.app import DATABASE_FILE
from idp.cli.group import COMMANDS, LazyGroup, commands, run
from idp.cli.http import Answer
from idp.cli.keysource import Keys
from idp.cli.routes import routes_of
from idp.cli.session_file import StoredSession, save
from idp.settings import load
from idp.store.database import Database
from idp.store.marks import BACKUP, mark

ISSUER = "https://id.example.com"


@pytest.fixture
def installed(idp: Idp, here: Path) -> Path:
    assert idp("init", "--issuer", ISSUER).status == 0
    return here


def test_init_makes_settings_key_and_folder_for_their_owner_alone(installed: Path) -> None:
    assert (installed / "keys" / "key-encryption-key").stat().st_mode & 0o777 == 0o600
    assert (installed / "keys" / ".gitignore").read_text() == "*\n"
    assert (installed / "data").stat().st_mode & 0o777 == 0o700
    settings = load(installed / "idp.toml", {}, "serve")
    assert settings.issuer == ISSUER
    assert settings.data_dir == installed / "data"


def test_init_overwrites_nothing(idp: Idp, installed: Path) -> None:
    before = {path: path.read_bytes() for path in installed.rglob("*") if path.is_file()}
    said = idp("init", "--issuer", "https://other.example")
    assert said.status == 1
    assert "never overwritten" in said.err
    (installed / "idp.toml").unlink()
    assert idp("init", "--issuer", ISSUER).status == 0
    assert {path: path.read_bytes() for path in installed.rglob("*") if path.is_file()} == before


def test_init_refuses_a_bad_issuer_before_it_writes(idp: Idp, here: Path) -> None:
    said = idp("init", "--issuer", ISSUER + "/")
    assert said.status == 2
    assert f"write {ISSUER}" in said.err
    assert list(here.iterdir()) == []


def set_to(file: Path, **lines: str) -> None:
    """Take the # away from settings, as an operator does."""
    text = file.read_text()
    for name, value in lines.items():
        text, times = re.subn(rf"(?m)^(# )?{name} = .*$", f"{name} = {value}", text)
        assert times == 1, name
    file.write_text(text)


def backed_up(folder: Path, days_ago: float) -> None:
    database = Database(folder / "data" / DATABASE_FILE)
    database.write_now(mark, BACKUP, time.time() - days_ago * 86_400)
    database.close()


def failing(said: Said) -> set[str]:
    return set(re.findall(r"^FAIL +([^:]+):", said.out, re.MULTILINE))


def test_the_way_to_production_is_green_at_its_end(idp: Idp, installed: Path) -> None:
    assert idp("check").status == 0
    before = idp("check", "--deploy")
    assert before.status == 1
    assert "idp migrate" in before.out
    assert idp("migrate").status == 0
    assert "nothing was changed" in idp("migrate").out
    assert failing(idp("check", "--deploy")) == {"proxies", "operator's mail", "backup"}
    set_to(installed / "idp.toml", trusted_proxies='["127.0.0.1/32"]', operator_mail='"help@example.com"')
    backed_up(installed, days_ago=6.9)
    after = idp("check", "--deploy")
    assert (after.status, failing(after)) == (0, set()), after.out


def test_an_old_backup_is_told(idp: Idp, installed: Path) -> None:
    idp("migrate")
    idp("check", "--deploy")
    backed_up(installed, days_ago=7.5)
    said = idp("check", "--deploy")
    assert "backup" in failing(said)
    assert "7.5 days old" in said.out


def test_without_a_server_commands_open_the_database_themselves(idp: Idp, installed: Path) -> None:
    assert idp("migrate").status == 0
    (installed / "pw").write_text("long enough\n")
    assert idp("user", "add", "alice", "--password-file", "pw").status == 0
    assert "alice" in idp("user", "list").out
    assert idp("client", "add", "cli", "--native", "--redirect-uri", "http://127.0.0.1/callback").status == 0
    assert idp("token", "alice", "--client", "cli").out.count(".") == 2
    assert '"kid"' in idp("keys", "export").out
    assert "account.created" in idp("audit", "tail").out


@pytest.mark.parametrize("command", [("keys", "list"), ("check", "--deploy"), ("audit", "tail")])
def test_a_lost_key_encryption_key_is_a_refusal_and_no_traceback(
    idp: Idp, installed: Path, command: tuple[str, ...]
) -> None:
    idp("migrate")
    (installed / "keys" / "key-encryption-key").unlink()
    said = idp(*command)
    assert said.status == 1
    assert "backup" in said.out + said.err


def test_a_wrong_setting_stops_every_command_with_its_line(idp: Idp, installed: Path) -> None:
    with (installed / "idp.toml").open("a") as file:
        file.write("\n[lifetimes]\naccess_token = 1\n")
    text = (installed / "idp.toml").read_text().replace("[lifetimes]\n", "", 1).replace("listen_port", "listen_prot")
    (installed / "idp.toml").write_text(text)
    line = text[: text.index("listen_prot =")].count("\n") + 1
    for command in (("check",), ("keys", "list"), ("serve",), ("routes",)):
        said = idp(*command)
        assert said.status == 2
        assert f"idp.toml:{line}: unknown setting" in said.err
        assert "write 'listen_port'" in said.err


def test_check_prints_the_profile_and_what_it_changed(idp: Idp, installed: Path) -> None:
    assert "profile" not in idp("check").out
    set_to(installed / "idp.toml", profile='"mcp"', announce_resources="false")
    said = idp("check").out
    assert '    client_documents.mode = "any"\n' in said
    assert "    announce_resources = false (the profile says otherwise)\n" in said


def test_settings_are_found_where_they_are_said_to_be(
    idp: Idp, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (installed / "idp.toml").rename(installed / "other.toml")
    assert "http://localhost:8000" in idp("check").out
    assert ISSUER in idp("--settings", "other.toml", "check").out
    monkeypatch.setenv("IDP_SETTINGS", "other.toml")
    assert ISSUER in idp("check").out
    assert "http://localhost:8000" in idp("--dev", "check").out
    assert idp("--settings", "nowhere.toml", "check").status == 2


def test_a_container_needs_no_file(idp: Idp, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_ISSUER", ISSUER)
    monkeypatch.setenv("IDP_DATA_DIR", "data")
    assert ISSUER in idp("check").out
    monkeypatch.setenv("IDP_ISUER", "x")
    assert "unset IDP_ISUER" in idp("check").err or "write 'IDP_ISSUER'" in idp("check").err


def test_routes_are_those_that_are_mounted(here: Path) -> None:
    from idp.app import build

    settings = load(None, {}, "dev", {"issuer": "http://localhost:8000/tenant", "data_dir": here / "d"})
    application = build(settings)
    told = {(route.path, method) for route in routes_of(settings) for method in route.methods.split()}
    mounted = {
        (path, method) for path, methods in application.endpoints.items() for method in methods if method != "HEAD"
    }
    documents = {(path, method) for path, method in told if "/.well-known/" in path}
    application.server.passwords.close()
    application.server.database.close()
    assert told - documents == mounted
    assert {path for path, _ in documents} == set(application._door._documents)


def test_routes_print_method_path_auth_and_source(idp: Idp) -> None:
    said = idp("routes")
    assert said.status == 0
    assert re.search(r"^POST +/token +client +RFC 6749 3.2$", said.out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_is_there_and_has_help(idp: Idp, name: str) -> None:
    entry = COMMANDS[name]
    command = getattr(import_module(f"idp.cli.{entry.module}"), entry.attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    said = idp(name, "--help")
    assert said.status == 0
    assert said.out.startswith(f"Usage: idp {name}")
    assert command.help


def test_the_overview_imports_no_command(here: Path) -> None:
    code = "import sys; from idp.cli.group import run; run(['--help']); print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not {f"idp.cli.{entry.module}" for entry in COMMANDS.values()} & loaded
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    assert isinstance(commands, LazyGroup)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["decod"], ["idp decode"]),
        (["xyzzy"], ["idp --help"]),
        (["keys", "lst"], ["lst"]),
        (["token"], ["PERSON"]),
        (["token", "alice", "--ttl", "0"], ["--ttl"]),
        (["init"], ["--issuer"]),
    ],
)
def test_what_is_not_understood_has_status_2(idp: Idp, arguments: list[str], words: list[str]) -> None:
    said = idp(*arguments)
    assert said.status == 2
    assert said.out == ""
    assert all(word in said.err for word in words), said.err


def test_without_tokens_refresh_and_logout_say_how_to_get_some(idp: Idp) -> None:
    for command in ("refresh", "logout"):
        said = idp(command)
        assert said.status == 1
        assert "idp token" in said.err


SESSION = StoredSession(
    issuer="http://localhost:1",
    client_id="sample",
    token_endpoint="http://localhost:1/token",
    access_token="at",
    refresh_token="s3cret",
)


def test_a_server_that_is_down_is_told(idp: Idp, here: Path) -> None:
    save(here / ".idp", SESSION)
    said = idp("refresh")
    assert said.status == 1
    assert "reachable" in said.err
    assert "s3cret" not in said.err


@pytest.mark.parametrize("content", ["", "[]", "{}", "{"])
def test_a_damaged_session_file_is_told(idp: Idp, here: Path, content: str) -> None:
    save(here / ".idp", SESSION).write_text(content)
    said = idp("refresh")
    assert said.status == 1
    assert "session.json" in said.err


def test_a_session_remembers_the_token_that_was_replaced() -> None:
    after = SESSION.renewed({"access_token": "new", "refresh_token": "next"})
    assert (after.access_token, after.refresh_token, after.previous_refresh_token) == ("new", "next", "s3cret")
    # RFC 6749 6: an answer without a refresh token leaves the old one in use.
    kept = SESSION.renewed({"access_token": "new"})
    assert (kept.refresh_token, kept.previous_refresh_token) == ("s3cret", None)
    assert "s3cret" not in repr(after)


def test_answers_are_told_in_registered_words() -> None:
    assert Answer(400, {"error": "invalid_grant", "error_description": "gone"}).sentence == "400 invalid_grant: gone"
    assert Answer(500, {}).sentence == "500"


def test_a_fault_of_the_program_is_not_dressed_up_as_a_refusal(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    def broken(*arguments: object) -> Keys:
        raise ZeroDivisionError

    monkeypatch.setattr("idp.cli.decode.read_token", broken)
    with pytest.raises(ZeroDivisionError):
        run(["decode", "x"])


def test_the_base_install_says_what_is_missing(here: Path) -> None:
    """The wheel without its extra has no click; the script must not end in a traceback."""
    code = "import sys; sys.modules['click'] = None; from idp.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 2
    assert "idp[server]" in done.stderr
    assert "Traceback" not in done.stderr
