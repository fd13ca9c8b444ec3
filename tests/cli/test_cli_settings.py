"""Settings: every one of them, from each place, and what is said of a wrong one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from idp.cli.init import settings_text
from idp.config.reading import Secret, fields
from idp.settings import Mode, Settings, SettingsError, load
from idp.settings_deploy import Finding, deploy_findings
from idp.settings_described import describe
from idp.settings_rules import issuer_problem, key_encryption_problem

REQUIRED = 'issuer = "https://id.example.com"\ndata_dir = "data"\n'

_HOSTS = ("app.example.com", "*.example.org")
# A legal value of each setting that is not its default: as TOML, as a variable, and what is read.
OTHER: dict[str, tuple[str, str, Any]] = {
    "issuer": ('"https://other.example/id"', "https://other.example/id", "https://other.example/id"),
    "data_dir": ('"elsewhere"', "elsewhere", Path("elsewhere")),
    "database": ('"postgresql://idp@db/idp"', "postgresql://idp@db/idp", Secret("postgresql://idp@db/idp")),
    "synchronous": ('"NORMAL"', "NORMAL", "NORMAL"),
    "listen_host": ('"0.0.0.0"', "0.0.0.0", "0.0.0.0"),
    "listen_port": ("9000", "9000", 9000),
    "trusted_proxies": ('["10.0.0.0/8"]', "10.0.0.0/8", ("10.0.0.0/8",)),
    "proxy_hops": ("2", "2", 2),
    "tls_certificate_file": ('"cert.pem"', "cert.pem", Path("cert.pem")),
    "tls_key_file": ('"key.pem"', "key.pem", Path("key.pem")),
    "hsts_seconds": ('"1d"', "1d", 86_400),
    "drain_seconds": ("0", "0", 0),
    "metrics_host": ('"::1"', "::1", "::1"),
    "metrics_port": ("9464", "9464", 9464),
    "operator_mail": ('"help@example.com"', "help@example.com", "help@example.com"),
    "key_encryption_key_file": ('"kek"', "kek", Path("kek")),
    "log_format": ('"text"', "text", "text"),
    "log_level": ('"debug"', "debug", "debug"),
    "access_log": ('"all"', "all", "all"),
    "audit_days": ("0", "0", 0),
    "templates_dir": ('"."', ".", Path(".")),
    "locale": ('"de"', "de", "de"),
    "acr": ('{ pwd = "low" }', "pwd=low", {"pwd": "low"}),
    "password_exchange_client": ('"legacy"', "legacy", "legacy"),
    "account_page": ("false", "false", False),
    "implicit_and_hybrid": ("true", "true", True),
    "require_pushed_authorization_requests": ("true", "true", True),
    "profile": ('"mcp"', "mcp", "mcp"),
    "dpop.nonce": ('"required"', "required", "required"),
    "announce_resources": ("true", "true", True),
    "client_documents.mode": ('"any"', "any", "any"),
    "client_documents.hosts": ('["app.example.com", "*.example.org"]', "app.example.com,*.example.org", _HOSTS),
    "client_documents.scopes": ('["openid"]', "openid", ("openid",)),
    "client_documents.resources": ('["*"]', "*", ("*",)),
    "client_documents.cache_least": ("30", "30s", 30),
    "client_documents.cache_most": ('"1h"', "1h", 3600),
    "client_documents.stale": ("0", "0", 0),
    "lifetimes.access_token": ('"10m"', "10m", 600),
    "lifetimes.id_token": ("60", "60", 60),
    "lifetimes.refresh_idle": ('"2h"', "7200", 7200),
    "lifetimes.refresh_absolute": ('"60d"', "60d", 5_184_000),
    "lifetimes.refresh_grace": ("0", "0", 0),
    "lifetimes.code": ("30", "30s", 30),
    "lifetimes.pushed_request": ("90", "90s", 90),
    "lifetimes.device_code": ("300", "5m", 300),
    "lifetimes.session_idle": ('"1h"', "1h", 3600),
    "lifetimes.session_absolute": ('"90d"', "90d", 7_776_000),
    "keys.algorithms": ('["RS256", "EdDSA"]', "RS256, EdDSA", ("RS256", "EdDSA")),
    "keys.signs": ('"30d"', "30d", 2_592_000),
    "keys.longest_cache": ('"1h"', "1h", 3600),
    "keys.jwks_max_age": ("0", "0", 0),
    "passwords.workers": ("2", "2", 2),
    "passwords.queue": ("0", "0", 0),
    "overload.in_flight": ("8", "8", 8),
    "overload.waiting": ("0", "0", 0),
    "limits.account": ("5", "5", 5),
    "limits.device": ("7", "7", 7),
    "limits.account_window": ('"1h"', "1h", 3600),
    "limits.network": ("100", "100", 100),
    "limits.network_window": ("60", "60", 60),
    "limits.overall": ("5000", "5000", 5000),
    "limits.overall_window": ('"1h"', "3600", 3600),
    "limits.user_codes": ("5", "5", 5),
    "limits.user_codes_network": ("99", "99", 99),
    "limits.user_codes_overall": ("400", "400", 400),
    "limits.device_codes": ("10", "10", 10),
    "limits.device_codes_overall": ("900", "900", 900),
    "limits.pushed_requests": ("9", "9", 9),
    "limits.client": ("9", "9", 9),
    "limits.client_network": ("900", "900", 900),
    "limits.client_window": ("30", "30s", 30),
    "outbound.allow": ('["10.0.0.0/8"]', "10.0.0.0/8", ("10.0.0.0/8",)),
    "outbound.ca_file": ('"idp.toml"', "idp.toml", Path("idp.toml")),
    "sign_up.open": ("true", "true", True),
    "sign_up.network": ("5", "5", 5),
    "sign_up.network_window": ('"1m"', "60", 60),
    "registration.mode": ('"token"', "token", "token"),
    "registration.scopes": ('["openid", "orders"]', "openid, orders", ("openid", "orders")),
    "registration.resources": ('["https://api.test"]', "https://api.test", ("https://api.test",)),
    "registration.grant_types": ('["client_credentials"]', "client_credentials", ("client_credentials",)),
    "registration.require_pkce": ("false", "false", False),
    "registration.assertion_audience": ('"token_endpoint"', "token_endpoint", "token_endpoint"),
    "registration.unused_lifetime": ('"1d"', "1d", 86_400),
    "registration.network": ("5", "5", 5),
    "registration.network_window": ('"1m"', "60", 60),
}
# A setting that is refused alone, and what it comes with.
WITH = {"tls_certificate_file": 'tls_key_file = "b"\n', "tls_key_file": 'tls_certificate_file = "a"\n'}
IN_FILE = [row for row in describe() if row.in_file]


def written(folder: Path, text: str) -> Path:
    path = folder / "idp.toml"
    path.write_text(text)
    return path


def value_of(settings: Settings, name: str) -> Any:
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def refusal(path: Path | None, environ: dict[str, str] | None = None, mode: Mode = "serve") -> SettingsError:
    with pytest.raises(SettingsError) as refused:
        load(path, environ or {}, mode)
    return refused.value


def file_with(name: str, value: str) -> str:
    group, _, inner = name.rpartition(".")
    rest = "".join(line + "\n" for line in REQUIRED.splitlines() if not line.startswith(f"{name} ="))
    return f"{rest}\n[{group}]\n{inner} = {value}\n" if group else f"{inner} = {value}\n{WITH.get(name, '')}{rest}"


def test_this_file_knows_every_setting() -> None:
    assert {row.name for row in IN_FILE} == set(OTHER)


def test_describe_has_every_member_and_a_meaning() -> None:
    members = set()
    for field in fields(Settings):
        inner = [f"{field.name}.{one.name}" for one in fields(field.nested)] if field.nested else [field.name]
        members |= set(inner)
    rows = describe()
    assert {row.name for row in rows} == members - {"mode"}
    assert all(row.meaning.endswith(".") and len(row.meaning) > 15 and row.type for row in rows)
    assert len({row.variable for row in rows}) == len(rows)


@pytest.mark.parametrize("name", OTHER)
def test_each_setting_is_read_from_the_file(tmp_path: Path, name: str) -> None:
    toml, _, expected = OTHER[name]
    settings = load(written(tmp_path, file_with(name, toml)), {}, "serve")
    # A relative path in a file is seen from that file.
    assert value_of(settings, name) == (tmp_path / expected if isinstance(expected, Path) else expected)


@pytest.mark.parametrize("name", OTHER)
def test_each_setting_is_read_from_the_environment_which_wins(tmp_path: Path, name: str) -> None:
    _, text, expected = OTHER[name]
    variable = next(row.variable for row in IN_FILE if row.name == name)
    file = written(tmp_path, REQUIRED + WITH.get(name, ""))
    environ = {variable: str(tmp_path / text) if name == "outbound.ca_file" else text}
    settings = load(file, environ, "serve")
    assert value_of(settings, name) == (tmp_path / expected if name == "outbound.ca_file" else expected)


def test_options_win_over_the_environment() -> None:
    settings = load(None, {"IDP_LISTEN_PORT": "9000"}, "dev", {"listen_port": 9001, "issuer": None})
    assert settings.listen_port == 9001
    assert settings.issuer == "http://localhost:9001"


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    settings = load(written(tmp_path, REQUIRED), {"IDP_ISSUER": "", "IDP_TEST_ANYTHING": "1"}, "serve")
    assert settings.issuer == "https://id.example.com"


def test_promised_defaults(tmp_path: Path) -> None:
    """The course's numbers, and the ones README promises."""
    settings = load(written(tmp_path, REQUIRED), {}, "serve")
    times, keys = settings.lifetimes, settings.keys
    assert (times.access_token, times.refresh_idle) == (300, 86_400)
    assert (times.refresh_grace, times.code, times.session_idle) == (30, 60, 7 * 86_400)
    assert times.session_absolute == times.refresh_absolute == 30 * 86_400
    assert (keys.signs, keys.longest_cache, keys.jwks_max_age) == (90 * 86_400, 86_400, 300)
    assert keys.algorithms == ("RS256", "ES256")
    assert settings.synchronous == "FULL"


def test_dev_needs_nothing_and_serve_names_what_it_needs() -> None:
    dev = load(None, {}, "dev")
    assert (dev.issuer, dev.data_dir, dev.listen_host) == ("http://localhost:8000", Path(".idp"), "127.0.0.1")
    rules = [problem.rule for problem in refusal(None).problems]
    assert [rule.split(" is required")[0] for rule in rules] == ["issuer", "data_dir"]


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ('isuer = "x"', 3, ["unknown setting", "'isuer'", "write 'issuer'"]),
        ("[lifetime]\naccess_token = 1", 3, ["unknown setting", "write 'lifetimes'"]),
        ("[lifetimes]\n\nacces_token = 3", 5, ["unknown setting in lifetimes", "write 'access_token'"]),
        ('[lifetimes]\naccess_token = "soon"', 4, ["lifetimes.access_token", "'soon'", '"5m"']),
        ("[lifetimes]\naccess_token = 0", 4, ["lifetimes.access_token", "0", ">= 1"]),
        ("[lifetimes]\naccess_token = true", 4, ["lifetimes.access_token", "true"]),
        ("[lifetimes]\nrefresh_grace = 601", 4, ["lifetimes.refresh_grace", "<= 600"]),
        ('[lifetimes]\nrefresh_idle = "40d"', 4, ["refresh_idle cannot outlive", "2592000"]),
        ("listen_port = 70000", 3, ["listen_port", "70000", "65535"]),
        ('listen_port = "8000"', 3, ["listen_port", "'8000'", "whole number"]),
        ('listen_host = "example.com"', 3, ["listen_host", "'example.com'", "127.0.0.1"]),
        ('metrics_host = "example.com"', 3, ["metrics_host", "'example.com'", "127.0.0.1"]),
        ("metrics_port = 0", 3, ["metrics_port", "0", ">= 1"]),
        ('tls_certificate_file = "a.pem"', 3, ["private key", "without tls_key_file", "add tls_key_file"]),
        ('tls_key_file = "a.pem"', 3, ["private key", "without tls_certificate_file", "add tls_certificate_file"]),
        ("drain_seconds = 601", 3, ["drain_seconds", "<= 600"]),
        ("hsts_seconds = -1", 3, ["hsts_seconds", "-1"]),
        ('operator_mail = "Help <help@example.com>"', 3, ["one address", "Help <help@example.com>", "bare address"]),
        ('operator_mail = "help"', 3, ["one address", "'help'"]),
        ('trusted_proxies = ["10.0.0.1/8"]', 3, ["networks", "10.0.0.1/8"]),
        ("proxy_hops = 0", 3, ["proxy_hops", ">= 1"]),
        ('synchronous = "OFF"', 3, ["synchronous", "'OFF'", '"FULL" or "NORMAL"']),
        ('[keys]\nalgorithms = [\n "RS256",\n "HS256"]', 6, ["keys.algorithms", "'HS256'"]),
        ('[keys]\nalgorithms = ["ES256"]', 4, ["RS256", "OpenID Connect Core 15.1"]),
        ('[keys]\nalgorithms = ["RS256", "RS256"]', 4, ["named once"]),
        ('[keys]\nsigns = "1d"', 4, ["waited in every cache", "86400", "lower longest_cache"]),
        ('[keys]\nlongest_cache = "1m"', None, ["miss a new key", "300", "60"]),
        ("[limits]\nnetwork = 50\noverall = 50", 5, ["limits.overall must be larger", "more than 50"]),
        ("[limits]\nclient = 2000", None, ["limits.client_network must be larger", "1000"]),
        ("[limits]\naccount = 2", 4, ["limits.account", ">= 3"]),
        ('[outbound]\nallow = ["10.0.0.1/8"]', 4, ["networks", "10.0.0.1/8"]),
        ('[outbound]\nca_file = "nowhere.pem"', 4, ["must be there", "nowhere.pem"]),
        ('templates_dir = "nowhere"', 3, ["must be there", "nowhere"]),
        ('acr = { pwd = "two words" }', 3, ["acr", "one word"]),
        ("lifetimes = 3", 3, ["lifetimes"]),
        ('"keys.signs" = 3', 3, ["unknown setting", "'keys.signs'"]),
        ('key_encryption_key = "s3cret"', 3, ["does not belong in a file", "IDP_KEY_ENCRYPTION_KEY"]),
    ],
)
def test_a_wrong_line_is_named_with_its_mend(tmp_path: Path, lines: str, line: int | None, words: list[str]) -> None:
    problems = refusal(written(tmp_path, REQUIRED + lines + "\n")).problems
    assert len(problems) == 1
    text = str(problems[0])
    assert problems[0].line == line
    assert all(word in text for word in words), text
    assert problems[0].received
    assert problems[0].mend
    assert "s3cret" not in text


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "isuer = 1\nlisten_port = -1\n[keys]\nx = 1\n")
    found = refusal(path, {"IDP_LOCALE": "fr", "IDP_ISUER": "x"})
    assert len(found.problems) == 7  # and issuer and data_dir are missing
    assert "write 'IDP_ISSUER'" in str(found)


def test_a_data_dir_that_is_a_file_is_told(tmp_path: Path) -> None:
    [problem] = refusal(written(tmp_path, 'issuer = "https://id.example.com"\ndata_dir = "idp.toml"\n')).problems
    assert (problem.rule, problem.line) == ("data_dir must be a folder", 2)


def test_a_refused_value_is_not_reported_as_missing_too(tmp_path: Path) -> None:
    assert len(refusal(written(tmp_path, 'issuer = 3\ndata_dir = "d"\n')).problems) == 1


GOOD_ISSUERS = [
    "https://id.example.com",
    "https://id.example.com/tenant/one",
    "https://id.example.com:8443",
    "http://localhost:8000",
    "http://id.localhost",
    "http://127.0.0.1:1",
    "http://127.5.5.5",
    "http://[::1]:8000",
    "https://xn--bcher-kva.example",
]
BAD_ISSUERS = {
    "https://id.example.com/": "https://id.example.com",
    "https://id.example.com/a/": "https://id.example.com/a",
    "http://id.example.com": "https://id.example.com",
    "http://localhost.evil.example": "https://localhost.evil.example",
    "http://127.0.0.1.nip.io": "https://127.0.0.1.nip.io",
    "http://2130706433": "https://2130706433",
    "http://127.1": "https://127.1",
    "http://.localhost": "https://.localhost",
    "id.example.com": "https://id.example.com",
    "ftp://id.example.com": "https://id.example.com, or",
    "https://id.example.com?x=1": "https://id.example.com",
    "https://id.example.com?": "https://id.example.com",
    "https://id.example.com#": "https://id.example.com",
    "https://user@id.example.com": "https://id.example.com",
    "HTTPS://id.example.com": "https://id.example.com",
    "https://ID.example.com": "https://id.example.com",
    "https://id.example.com:443": "https://id.example.com",
    "https://id.example.com:99999": "https://id.example.com, or",
    "https://id.example.com/a/../b": "https://id.example.com",
    "https://id.example.com//a": "https://id.example.com",
    "https://id.example.com/a%2fb": "https://id.example.com",
    "https://id.example.com /x": "https://id.example.com/x",
    "https://id.example.com\n": "https://id.example.com",
    "https://bücher.example": "https://bcher.example",
    "https://[::1": "https://id.example.com, or",
    "https://": "https://id.example.com, or",
    "": "https://id.example.com, or",
}


@pytest.mark.parametrize("issuer", GOOD_ISSUERS)
def test_good_issuers(issuer: str) -> None:
    assert issuer_problem(issuer) is None


@pytest.mark.parametrize(("issuer", "mended"), BAD_ISSUERS.items())
def test_bad_issuers_are_refused_with_the_way_to_write_them(issuer: str, mended: str) -> None:
    problem = issuer_problem(issuer)
    assert problem is not None
    assert mended in problem.mend


@pytest.mark.parametrize(
    "option", [{"issuer": "https://id.example.com"}, {"listen_host": "0.0.0.0"}, {"metrics_host": "0.0.0.0"}]
)
def test_dev_is_for_this_machine_only(option: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="idp dev"):
        load(None, {}, "dev", option)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_dev_binds_loopback(host: str) -> None:
    assert load(None, {}, "dev", {"listen_host": host}).listen_host == host


def test_secrets_do_not_print() -> None:
    settings = load(None, {"IDP_KEY_ENCRYPTION_KEY": "s3cret"}, "dev")
    assert settings.key_encryption_key is not None
    assert settings.key_encryption_key.reveal() == "s3cret"
    assert "s3cret" not in f"{settings} {settings!r} {settings.key_encryption_key}"
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)


def test_the_written_file_explains_every_setting_and_its_defaults_are_true(tmp_path: Path) -> None:
    text = settings_text({"issuer": "https://id.example.com", "data_dir": "data"})
    plain = load(written(tmp_path, text), {}, "serve")
    assert plain == load(written(tmp_path, REQUIRED), {}, "serve")
    opened = [
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line for line in text.splitlines()
    ]
    examples = (
        *("database", "templates_dir", "tls_", "metrics_port", "operator_mail", "password_exchange", "workers"),
        *("ca_file", "key_encryption_key_file"),
    )
    kept = [line for line in opened if not line.startswith(examples)]
    assert load(written(tmp_path, "\n".join(kept)), {}, "serve") == plain
    assert {row.name.rpartition(".")[2] for row in IN_FILE} <= {line.partition(" = ")[0] for line in opened}
    tomllib.loads("\n".join(opened))


def test_serve_never_makes_a_key_encryption_key_up(tmp_path: Path) -> None:
    settings = load(written(tmp_path, REQUIRED), {}, "serve")
    problem = key_encryption_problem(settings)
    assert problem is not None
    assert "idp init" in problem.mend
    both = load(
        written(tmp_path, REQUIRED + 'key_encryption_key_file = "k"\n'), {"IDP_KEY_ENCRYPTION_KEY": "x"}, "serve"
    )
    assert key_encryption_problem(both) is not None
    (tmp_path / "k").write_text("x")
    one = load(written(tmp_path, REQUIRED + 'key_encryption_key_file = "k"\n'), {}, "serve")
    assert key_encryption_problem(one) is None


READY = 'trusted_proxies = ["10.1.2.3/32"]\noperator_mail = "help@example.com"\n'


@pytest.mark.parametrize(
    ("lines", "check"),
    [
        (READY + "[lifetimes]\naccess_token = '2h'", "access token lifetime"),
        (READY + "[keys]\nlongest_cache = '1h'", "key lead"),
        (READY + "synchronous = 'NORMAL'", "durability"),
        (READY + "password_exchange_client = 'x'", "password exchange"),
        ("operator_mail = 'help@example.com'", "proxies"),
        (READY.replace("10.1.2.3/32", "0.0.0.0/0"), "proxies"),
        (READY.replace("10.1.2.3/32", '10.1.2.3/32", "128.0.0.0/1'), "proxies"),
        (READY.replace("10.1.2.3/32", "::/0") + "tls_certificate_file = 'a'\ntls_key_file = 'b'", "proxies"),
        ("trusted_proxies = ['10.1.2.3/32']", "operator's mail"),
    ],
)
def test_deploy_findings_name_what_is_not_ready(tmp_path: Path, lines: str, check: str) -> None:
    failing = failing_with(tmp_path, lines)
    assert [finding.check for finding in failing] == [check]
    assert failing[0].mend


@pytest.mark.parametrize(
    "lines",
    [
        READY,
        READY.replace("10.1.2.3/32", '10.0.0.0/8", "fc00::/7'),
        "operator_mail = 'help@example.com'\ntls_certificate_file = 'a'\ntls_key_file = 'b'",
    ],
)
def test_what_is_ready_has_no_finding(tmp_path: Path, lines: str) -> None:
    assert failing_with(tmp_path, lines) == []


def failing_with(folder: Path, lines: str) -> list[Finding]:
    (folder / "data").mkdir(mode=0o700)
    settings = load(written(folder, REQUIRED + lines), {"IDP_KEY_ENCRYPTION_KEY": "x"}, "serve")
    return [finding for finding in deploy_findings(settings) if not finding.ok]


def test_the_issuer_of_an_installation_is_https(tmp_path: Path) -> None:
    settings = load(None, {}, "serve", {"issuer": "http://localhost:1", "data_dir": str(tmp_path)})
    failing = {finding.check: finding for finding in deploy_findings(settings) if not finding.ok}
    assert failing["issuer"].found == "http://localhost:1"


@pytest.mark.parametrize("place", ["data/key", "elsewhere/link"])
def test_a_key_inside_data_dir_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data" / "key").touch(mode=0o600)
    (tmp_path / "elsewhere" / "link").symlink_to(tmp_path / "data" / "key")
    settings = load(written(tmp_path, REQUIRED + READY + f'key_encryption_key_file = "{place}"'), {}, "serve")
    [finding] = [finding for finding in deploy_findings(settings) if not finding.ok]
    assert (finding.check, finding.found) == ("key-encryption key", f"{tmp_path / place}, inside data_dir")


def test_dev_settings_are_not_ready_for_others(here: Path) -> None:
    failing = {finding.check for finding in deploy_findings(load(None, {}, "dev")) if not finding.ok}
    assert failing == {
        "mode",
        "issuer",
        "operator's mail",
        "key-encryption key",
        "key lead",
        "data_dir",
        "password exchange",
    }


def test_a_key_file_open_to_others_is_told(tmp_path: Path) -> None:
    key = tmp_path / "k"
    key.write_text("x")
    key.chmod(0o644)
    settings = load(written(tmp_path, REQUIRED + 'key_encryption_key_file = "k"\n'), {}, "serve")
    finding = next(found for found in deploy_findings(settings) if found.check == "key-encryption key")
    assert not finding.ok
    assert "chmod 600" in finding.mend


@pytest.mark.parametrize("text", ["sqlite:///x", "idp", "postgresql://", "postgresql://host", "postgresql://h:port/n"])
def test_a_database_is_named_by_its_url_and_never_said_back(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(written(tmp_path, REQUIRED + f'database = "{text}?password=s3cret"\n'), {}, "serve")
    (problem,) = refused.value.problems
    assert problem.line == 3
    assert "postgresql://user" in problem.expected
    assert "s3cret" not in str(refused.value)
