"""What only ``idp dev`` may do, listed; and that no setting, variable or option brings any of it to ``idp serve``.

Each power is a question to a real provider. It has to be answered yes in dev, or asking would prove nothing.
``test_mode_decisions.py`` finds the places in the source that decide by mode: a new one is a new power for this file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from support.loopback import sink

from idp.app import DATABASE_FILE, Application, build, key_encryption_ring, make_server, prepare
from idp.cli.group import COMMANDS, commands, run
from idp.keyring import KeyringError, generate_key_encryption_key
from idp.outbound import OutboundError
from idp.settings import Settings, SettingsError, load
from idp.settings_described import describe
from idp.store import migrate
from idp.store.database import Database
from idp.testing.seed import apply_text

pytestmark = pytest.mark.anyio
ISSUER = "http://localhost:8000"
COURSE = """
[[clients]]
client_id = "course"
token_endpoint_auth_method = "none"
application_type = "native"
redirect_uris = ["http://127.0.0.1/cb"]
[[people]]
username = "carol"
password = "carol"
"""


class Asked(NamedTuple):
    application: Application
    http: httpx2.AsyncClient


async def sample_resource(asked: Asked) -> bool:
    return (await asked.http.get("/hello")).status_code != 404 or (await asked.http.get("/")).status_code != 404


async def token_page(asked: Asked) -> bool:
    return any([(await asked.http.get(path)).status_code != 404 for path in ("/dev/token", "/dev/token.js")])


async def developer_panel(asked: Asked) -> bool:
    page = await asked.http.get("/authorize?client_id=nobody", headers={"accept": "text/html"})
    assert 'id="oauth-error"' in page.text
    return "developer" in page.text


async def http_to_this_machine(asked: Asked) -> bool:
    with sink() as listening:
        try:
            await asked.application.server.outbound.post_form(listening.url, {})
        except OutboundError:
            assert listening.empty
            return False
        return True


async def foreign_host_refused(asked: Asked) -> bool:
    """What a mode without a proxy in front can do against DNS rebinding; behind one, Host is never read."""
    return (await asked.http.get("/healthz", headers={"host": "evil.example"})).status_code == 421


async def password_exchange(asked: Asked) -> bool:
    answer = await asked.http.post("/api/token/", json={"username": "carol", "password": "carol"})
    return answer.status_code != 404


POWERS: tuple[Callable[[Asked], Awaitable[bool]], ...] = (
    sample_resource,
    token_page,
    developer_panel,
    http_to_this_machine,
    foreign_host_refused,
    password_exchange,
)


async def makes_its_schema(settings: Settings) -> bool:
    """On an empty folder."""
    server = make_server(settings, [])
    try:
        await prepare(server)
    except migrate.SchemaMismatch:
        return False
    finally:
        server.passwords.close()
        server.database.close()
    return True


def makes_its_key(settings: Settings) -> bool:
    """Where no key-encryption key was given. (In a checkout, that of an earlier ``idp dev`` is found.)"""
    try:
        key_encryption_ring(settings)
    except KeyringError:
        return False
    return True


@asynccontextmanager
async def asking(settings: Settings) -> AsyncIterator[Asked]:
    application = build(settings)
    await application.start()
    try:
        transport = httpx2.ASGITransport(app=application)
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http:
            yield Asked(application, http)
    finally:
        await application.stop()


@pytest.fixture(scope="module")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database, keys, client and person are there: starting it again is quick."""
    folder = tmp_path_factory.mktemp("installed")
    database = Database(folder / DATABASE_FILE)
    database.write_now(migrate.to_head)
    database.close()
    generate_key_encryption_key(folder / "key-encryption-key")
    async with asking(settings_of(folder)) as asked:
        await apply_text(asked.application.server, COURSE, folder)
    return folder


def settings_of(folder: Path, environ: Mapping[str, str] = {}, **options: str) -> Settings:
    """Of ``serve`` over ``folder``; times are short, so that short ones can be tried alone."""
    file = folder / "idp.toml"
    if not file.exists():
        short = "[keys]\nlongest_cache = 10\njwks_max_age = 5\n"
        file.write_text(f'issuer = "{ISSUER}"\ndata_dir = "."\nsynchronous = "NORMAL"\n{short}')
    return load(file, environ, "serve", options)


def dev_settings(folder: Path) -> Settings:
    key = str(folder / "key-encryption-key")
    options = {"data_dir": str(folder), "key_encryption_key_file": key, "password_exchange_client": "course"}
    return load(None, {}, "dev", options)


async def powers_of(settings: Settings) -> set[str]:
    async with asking(settings) as asked:
        return {power.__name__ for power in POWERS if await power(asked)}


async def test_dev_has_every_power(installed: Path, tmp_path: Path) -> None:
    key = str(installed / "key-encryption-key")
    assert await powers_of(dev_settings(installed)) == {power.__name__ for power in POWERS}
    assert load(None, {}, "dev").password_exchange_client == "sample"
    fresh = {"data_dir": str(tmp_path / "fresh")}
    assert makes_its_key(load(None, {}, "dev", fresh))
    assert await makes_its_schema(load(None, {}, "dev", {**fresh, "key_encryption_key_file": key}))


async def test_serve_has_none(installed: Path, tmp_path: Path) -> None:
    assert await powers_of(settings_of(installed)) == set()
    assert not makes_its_key(settings_of(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["idp.toml"]
    key = str(installed / "key-encryption-key")
    assert not await makes_its_schema(settings_of(tmp_path, key_encryption_key_file=key))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "evil.example@localhost",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "0.0.0.0:8000",
        "2130706433",
        "127.1",
        "[::2]:8000",
        "[::ffff:127.0.0.1]",
        "localhost.",
        "[::1",
        "",
    ],
)
async def test_dev_answers_no_host_but_this_machine(installed: Path, host: str) -> None:
    async with asking(dev_settings(installed)) as asked:
        for path in ("/", "/hello", "/authorize", "/.well-known/jwks.json", "/static/idp.css", "/nowhere"):
            answer = await asked.http.get(path, headers={"host": host})
            assert (answer.status_code, "loopback names only" in answer.text) == (421, True), path


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "id.localhost:8000", "127.9.9.9", "[::1]:8000"])
async def test_dev_answers_every_name_of_this_machine(installed: Path, host: str) -> None:
    async with asking(dev_settings(installed)) as asked:
        assert (await asked.http.get("/healthz", headers={"host": host})).status_code == 200


def as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, dict):
        return ",".join(f"{name}={item}" for name, item in value.items())
    return "" if value is None else str(value)


def dev_value(name: str) -> str:
    value: Any = load(None, {}, "dev")
    for part in name.split("."):
        value = getattr(value, part)
    return as_text(value)


WORDS = ("dev", "1", "600", "0.0.0.0", "127.0.0.0/8,::1/128,0.0.0.0/0", "dev@localhost", "https://api.test")
# What is refused alone, and the variable it comes with.
TOGETHER = {"tls_certificate_file": "IDP_TLS_KEY_FILE", "tls_key_file": "IDP_TLS_CERTIFICATE_FILE"}
# These point at another installation.
ELSEWHERE = ("data_dir", "key_encryption_key_file", "key_encryption_key")


# A database of one's own needs a server: tests/postgres shows that serve makes no schema there either.
@pytest.mark.parametrize("row", [row for row in describe() if row.name != "database"], ids=lambda row: row.name)
async def test_no_setting_gives_serve_a_power(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    key = str(installed / "key-encryption-key")
    tried = 0
    texts = (dev_value(row.name), *WORDS, str(tmp_path), str(installed / "idp.toml"))
    for text in filter(None, dict.fromkeys(texts)):
        (bare := tmp_path / f"bare{tried}").mkdir(exist_ok=True)
        given = {row.variable: text, **({TOGETHER[row.name]: "dev"} if row.name in TOGETHER else {})}
        try:
            settings = settings_of(installed, given)
        except SettingsError:
            continue
        tried += 1
        assert settings.mode == "serve"
        if row.name not in ELSEWHERE:
            assert await powers_of(settings) == set(), text
        assert not makes_its_key(settings_of(bare, given)), text
        if not row.name.startswith("key_encryption"):
            assert not await makes_its_schema(settings_of(bare, given, key_encryption_key_file=key)), text
    assert tried, "no value of it was accepted: nothing was proved"


async def test_everything_dev_sets_at_once_is_still_serve(installed: Path) -> None:
    values = {row.variable: dev_value(row.name) for row in describe() if row.name != "data_dir"}
    assert await powers_of(settings_of(installed, values)) == set()


async def test_the_password_exchange_is_the_one_that_may_be_asked_for_by_name(installed: Path) -> None:
    """For a registered client alone (docs/divergences.md); ``idp check --deploy`` says that it has to go."""
    assert await powers_of(settings_of(installed, password_exchange_client="course")) == {"password_exchange"}
    assert await powers_of(settings_of(installed, password_exchange_client="sample")) == set()


@pytest.mark.parametrize("variable", ["IDP_MODE", "IDP_DEV", "IDP_DEBUG", "IDP_ENV", "IDP_SEED", "IDP_DEMO"])
def test_an_invented_variable_stops_the_start(installed: Path, variable: str) -> None:
    with pytest.raises(SettingsError, match="unknown variable"):
        settings_of(installed, {variable: "dev"})


@pytest.mark.parametrize("line", ['mode = "dev"', "dev = true", "debug = true", '[dev]\nseed = "yes"'])
def test_an_invented_line_stops_the_start(tmp_path: Path, line: str) -> None:
    (tmp_path / "idp.toml").write_text(f'issuer = "{ISSUER}"\ndata_dir = "."\n{line}\n')
    with pytest.raises(SettingsError, match="unknown setting"):
        settings_of(tmp_path)


def test_serve_has_no_option_but_its_file_and_how_it_answers() -> None:
    serve = commands.get_command(None, "serve")  # type: ignore[arg-type]
    assert serve is not None
    ours = ["config", "workers", "tls_cert", "tls_key"]
    profile = ["profile", "suite_base_url", "suite_alias", "suite_keys"]  # test_cli_conformance.py
    assert [parameter.name for parameter in serve.params] == [*ours, *profile]
    assert {parameter.name for parameter in commands.params} == {"settings_file", "dev_settings", "version"}
    assert {name for name in COMMANDS if name in ("dev", "serve")} == {"dev", "serve"}


def test_serve_with_the_option_for_dev_settings_has_no_issuer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["--dev", "serve"]) == 2
    assert "issuer is required" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
