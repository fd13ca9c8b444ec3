"""What the operator decides: one frozen value, checked once, from a file, ``IDP_*`` variables and options.

A leaf: it imports nothing of the server. A name nobody reads, a value out of bounds and numbers that would
break a promise together stop the start, each with its line and what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from .config.gathering import Gathered
from .config.problems import ConfigurationError
from .config.reading import Field, Secret, fields
from .settings_client_documents import ClientDocuments
from .settings_dpop import Dpop
from .settings_limits import Limits
from .settings_profiles import PROFILES, Profile
from .settings_registration import Registration
from .settings_rules import combination_problems
from .settings_sign_up import SignUp

Mode = Literal["dev", "serve"]
Algorithm = Literal["RS256", "PS256", "ES256", "EdDSA"]
_CENTURY = 3_153_600_000

ENVIRONMENT_PREFIX = "IDP_"
# Read by the command line or by the test-suite, not settings.
RESERVED_VARIABLES = ("IDP_SETTINGS", "IDP_REQUIRE_ALL", "IDP_CHROMIUM")
RESERVED_PREFIX = "IDP_TEST_"


class SettingsError(ConfigurationError):
    """The settings cannot be used; ``problems`` holds every reason."""


def _about(meaning: str, *, least: int | None = None, most: int | None = None, secret: bool = False) -> Meta:
    return Meta(description=meaning, ge=least, le=most, extra={"secret": secret})


def _seconds(meaning: str, *, least: int = 1, most: int = _CENTURY) -> Meta:
    return Meta(description=meaning, ge=least, le=most, extra={"unit": "seconds"})


class Lifetimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds."""

    access_token: Annotated[int, _seconds("How long an access token is valid.", most=86_400)] = 300
    id_token: Annotated[int, _seconds("How long an ID token is valid.", most=86_400)] = 300
    refresh_idle: Annotated[int, _seconds("A refresh token unused for this long is dead.")] = 86_400
    refresh_absolute: Annotated[int, _seconds("A refresh family ends this long after sign-in.")] = 2_592_000
    refresh_grace: Annotated[
        int,
        _seconds("A just-replaced refresh token still gets the same successor for this long.", least=0, most=600),
    ] = 30
    code: Annotated[int, _seconds("How long an authorization code is valid.", most=600)] = 60
    pushed_request: Annotated[
        int, _seconds("A pushed authorization request has to be opened within this time.", least=5, most=600)
    ] = 60
    device_code: Annotated[
        int, _seconds("How long a device waits for its person to type the code it shows.", least=30, most=1800)
    ] = 600
    session_idle: Annotated[int, _seconds("A sign-on unused for this long is over.")] = 604_800
    session_absolute: Annotated[int, _seconds("A sign-on is over this long after it began.")] = 2_592_000


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds."""

    algorithms: Annotated[
        tuple[Algorithm, ...], _about("Signature algorithms, each with its own keys, side by side.")
    ] = ("RS256", "ES256")
    signs: Annotated[int, _seconds("How long a key signs before the waiting one takes over.")] = 7_776_000
    longest_cache: Annotated[
        int, _seconds("The longest a verifier keeps the JWKS: a key waits this long in it before it signs.")
    ] = 86_400
    jwks_max_age: Annotated[int, _seconds("Cache-Control max-age of the JWKS.", least=0)] = 300


class Passwords(msgspec.Struct, frozen=True, kw_only=True):
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        _about("Threads that hash passwords; unset means one per processor."),
    ] = None
    queue: Annotated[
        int, _about("Sign-ins that may wait for a thread; past it the answer is 503.", least=0, most=10_000)
    ] = 32


class Overload(msgspec.Struct, frozen=True, kw_only=True):
    in_flight: Annotated[
        int, _about("Requests one process works on at a time; public documents are not counted.", least=8, most=10_000)
    ] = 64
    waiting: Annotated[
        int, _about("Requests that may wait 0.3 s for a place; past it 503 comes at once.", least=0, most=100_000)
    ] = 1024


class Outbound(msgspec.Struct, frozen=True, kw_only=True):
    allow: Annotated[tuple[str, ...], _about("Networks beside the public ones that the server may call, as CIDR.")] = ()
    ca_file: Annotated[Path | None, _about("PEM certificates trusted for outgoing calls.")] = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting. Paths in a settings file are seen from its own folder."""

    issuer: Annotated[
        str, _about("The one name of this provider: https (http on this machine only), no trailing slash.")
    ]
    mode: Mode = "serve"
    data_dir: Annotated[Path, _about("Folder of the embedded database, the control socket and local sessions.")]
    database: Annotated[
        Secret | None,
        _about("postgresql://user:password@host/name, for many processes; unset: SQLite in data_dir.", secret=True),
    ] = None
    synchronous: Annotated[
        Literal["FULL", "NORMAL"],
        _about("SQLite: FULL survives a power cut, NORMAL only a crash of the process."),
    ] = "FULL"
    listen_host: Annotated[str, _about("Address the server binds.")] = "127.0.0.1"
    listen_port: Annotated[int, _about("Port the server binds; 0 takes a free one.", least=0, most=65_535)] = 8000
    trusted_proxies: Annotated[
        tuple[str, ...],
        _about("Networks of the reverse proxies whose X-Forwarded-For is believed, as CIDR; nobody else's is."),
    ] = ()
    proxy_hops: Annotated[
        int, _about("How many such proxies stand one behind the other; no more are believed.", least=1, most=8)
    ] = 1
    tls_certificate_file: Annotated[
        Path | None, _about("PEM certificate and its chain, to answer https without a proxy; needs tls_key_file.")
    ] = None
    tls_key_file: Annotated[Path | None, _about("PEM private key of that certificate, without a passphrase.")] = None
    hsts_seconds: Annotated[
        int, _seconds("How long browsers remember that an https issuer is https only; 0 tells them nothing.", least=0)
    ] = 31_536_000
    drain_seconds: Annotated[
        int,
        _seconds("After SIGTERM, how long /readyz says no while requests are still answered.", least=0, most=600),
    ] = 5
    metrics_host: Annotated[str, _about("Address the listener for metrics binds.")] = "127.0.0.1"
    metrics_port: Annotated[
        Annotated[int, Meta(ge=1, le=65_535)] | None, _about("Port of /metrics, never that of the server; unset: none.")
    ] = None
    operator_mail: Annotated[
        str | None, _about("Whom people may write to; the error page names it beside the reference.")
    ] = None
    key_encryption_key_file: Annotated[
        Path | None, _about("File with the key that seals the private keys; idp init makes it once.")
    ] = None
    key_encryption_key: Annotated[
        Secret | None, _about("The same key itself; only as an environment variable.", secret=True)
    ] = None
    log_format: Annotated[
        Literal["json", "text"], _about("Lines of the log on standard error: one JSON object each, or text.")
    ] = "json"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _about("The least that is logged; libraries log warnings only.")
    ] = "info"
    access_log: Annotated[
        Literal["off", "endpoints", "all"],
        _about("A line a request: none, those of endpoints, or those of public documents and probes too."),
    ] = "off"
    audit_days: Annotated[
        int, _about("Days after which a line of the audit is deleted; 0 keeps it for ever.", least=0, most=36_500)
    ] = 400
    templates_dir: Annotated[Path | None, _about("Folder whose pages override the built-in ones.")] = None
    locale: Annotated[Literal["en", "de"], _about("Language for people whose browser asks for none of ours.")] = "en"
    acr: Annotated[
        dict[str, str], _about("Methods of a sign-in (amr, joined by a space) to the acr it earns; weakest first.")
    ] = msgspec.field(default_factory=lambda: {"pwd": "urn:idp:acr:pwd"})
    password_exchange_client: Annotated[
        str | None, _about("Client for which /api/token/ trades a password for tokens (deprecated bridge).")
    ] = None
    account_page: Annotated[
        bool, _about("Whether people have /account: their password, sign-ins, apps and recent activity.")
    ] = True
    implicit_and_hybrid: Annotated[
        bool, _about("Whether clients may register for tokens straight from the authorization endpoint.")
    ] = False
    require_pushed_authorization_requests: Annotated[
        bool, _about("Whether every client has to push its authorization requests first (RFC 9126).")
    ] = False
    profile: Annotated[
        Profile, _about("Other defaults for a purpose (docs/mcp.md); fapi2 also binds every client (docs/fapi2.md).")
    ] = "none"
    announce_resources: Annotated[
        bool, _about("Whether discovery names the registered resources (RFC 9728 4); else the issuer alone.")
    ] = False
    lifetimes: Lifetimes = Lifetimes()
    keys: Keys = Keys()
    passwords: Passwords = Passwords()
    limits: Limits = Limits()
    overload: Overload = Overload()
    dpop: Dpop = Dpop()
    outbound: Outbound = Outbound()
    registration: Registration = Registration()
    client_documents: ClientDocuments = ClientDocuments()
    sign_up: SignUp = SignUp()


def variable_of(name: str) -> str:
    """``lifetimes.access_token`` -> ``IDP_LIFETIMES_ACCESS_TOKEN``."""
    return ENVIRONMENT_PREFIX + name.replace(".", "_").upper()


def load(
    path: Path | None,
    environ: Mapping[str, str],
    mode: Mode,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings for ``mode``: options win over the environment, that over the file, that over the defaults.

    ``options`` maps a dotted name to a value given on the command line; None values are as if not given.
    Raises SettingsError with everything that is wrong.
    """
    known = dict(settable())
    gathered = Gathered(known, variable_of, not_in_file=NOT_IN_FILE, reserved=_is_reserved)
    if path is not None:
        gathered.take_file(path)
    gathered.take_environment(environ, ENVIRONMENT_PREFIX)
    gathered.take_options(options or {})
    values = {**PROFILES[gathered.values.get("profile", "none")], **gathered.values}
    if mode == "dev":
        values = {**_dev_defaults(gathered.values), **values}
    gathered.require(("issuer", "data_dir"), values, path)
    if gathered.problems:
        raise SettingsError(gathered.problems)
    settings = _assemble(values, mode)
    broken = [gathered.placed(name, problem) for name, problem in combination_problems(settings)]
    if broken:
        raise SettingsError(broken)
    return settings


NOT_IN_FILE = frozenset({"key_encryption_key"})


def settable() -> Iterator[tuple[str, Field]]:
    for field in fields(Settings):
        if field.nested is not None:
            yield from ((f"{field.name}.{inner.name}", inner) for inner in fields(field.nested))
        elif field.name != "mode":  # the command decides it
            yield field.name, field


def _is_reserved(variable: str) -> bool:
    return variable in RESERVED_VARIABLES or variable.startswith(RESERVED_PREFIX)


def _dev_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    # A lesson rotates keys in its first minutes; a day's wait for caches would only be in the way.
    port = given.get("listen_port", 8000)
    return {
        "issuer": f"http://localhost:{port}",
        "data_dir": Path(".idp"),
        "drain_seconds": 0,
        "password_exchange_client": None if given.get("profile") == "fapi2" else "sample",
        "log_format": "text",
        "keys.longest_cache": 10,
        "keys.jwks_max_age": min(5, given.get("keys.longest_cache", 10)),
    }


def _assemble(values: Mapping[str, Any], mode: Mode) -> Settings:
    top: dict[str, Any] = {"mode": mode}
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        group, _, inner = name.rpartition(".")
        (groups.setdefault(group, {}) if group else top)[inner] = value
    kinds = {field.name: field.nested for field in fields(Settings)}
    for group, members in groups.items():
        kind = kinds[group]
        if kind is not None:
            top[group] = kind(**members)
    return Settings(**top)
