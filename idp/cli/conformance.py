"""``idp serve --profile conformance``: whom the OpenID Foundation's suite signs in with, in a folder of their own.

Everything in it is published, so nobody else may live there, and every start says so.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import msgspec

from idp.cli import say
from idp.cli.trouble import Trouble
from idp.config.addresses import is_loopback_host
from idp.config.toml_writer import toml_value

if TYPE_CHECKING:
    from idp.app import Application
    from idp.settings import Settings

SEED = Path(__file__).parent / "conformance_seed.toml"
FOLDER = ".idp-conformance"
MARKER = "conformance-profile"
# What the suite needs turned, over file and environment. A feature with a switch has its line here.
SETTINGS: Mapping[str, Any] = {
    "log_format": "text",
    # The suite looks for a rotated key at once, and stands on a private network.
    "keys.longest_cache": 10,
    "keys.jwks_max_age": 5,
    "outbound.allow": ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    "drain_seconds": 0,
    "implicit_and_hybrid": True,
    # Every module of a dynamic plan registers its clients anew.
    "registration.mode": "open",
    "registration.network": 1_000_000,
    "registration.require_pkce": False,
    "registration.assertion_audience": "token_endpoint",
}
# The clients whose keys the generator makes; a private key in this file would be everybody's.
KEYED_CLIENTS = ("cts-pkjwt-1", "cts-pkjwt-2")
KEYED: Mapping[str, Any] = {
    "token_endpoint_auth_method": "private_key_jwt",
    "profile": "fapi2",
    "id_token_signed_response_alg": "ES256",
    "grant_types": ("authorization_code", "refresh_token"),
    "scope": "openid profile email address phone offline_access",
}
_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_LOCAL_ENDS = (".test", ".local", ".internal", ".example", ".invalid")


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite that will call: its own address, the alias of its plans, and its keyed clients' public key sets."""

    base_url: str
    alias: str
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{self.base_url}/test/a/{self.alias}"


def suite_of(base_url: str | None, alias: str, keys: str | None) -> Suite:
    """Raises Trouble where the suite's address is not given, or nothing a client could register."""
    if base_url is None:
        raise Trouble(
            "the conformance profile serves one suite",
            received="no SUITE_BASE_URL",
            expected="the address of a running suite, such as https://suite.test:8443",
            mend="SUITE_BASE_URL=https://suite.test:8443 idp serve --profile conformance",
            status=2,
        )
    parts = urlsplit(base_url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or '"' in base_url:
        raise Trouble(
            "a suite is called by https",
            received=base_url,
            expected="https://suite.test:8443, without query or fragment",
            mend="correct SUITE_BASE_URL",
            status=2,
        )
    if not _ALIAS.fullmatch(alias):
        raise Trouble(
            "an alias is one word",
            received=alias,
            expected="letters, digits, - and _",
            mend="correct ALIAS, here and in the plan",
            status=2,
        )
    return Suite(base_url.rstrip("/"), alias, _public_keys(Path(keys)) if keys else {})


def _public_keys(folder: Path) -> dict[str, Any]:
    found = {}
    for client_id in KEYED_CLIENTS:
        file = folder / f"{client_id}.json"
        try:
            found[client_id] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Trouble(
                "the generator's folder holds each client's public keys",
                received=f"{file}: {error}",
                expected="a JWK Set",
                mend="python -m conformance.generate, and SUITE_KEYS as it says",
                status=2,
            ) from None
    return found


def options_of(environ: Mapping[str, str]) -> dict[str, Any]:
    """The profile's settings, and a folder of its own where none was named."""
    return {**SETTINGS, **({} if environ.get("IDP_DATA_DIR") else {"data_dir": FOLDER})}


def refuse_inhabited(settings: Settings) -> None:
    """The seed may only ever reach a folder that this profile made. Raises Trouble."""
    folder = settings.data_dir
    received = ""
    if settings.database is not None:
        received = "a PostgreSQL database"
    elif folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        received = f"{folder}, which holds another installation"
    if received:
        raise Trouble(
            "the conformance profile keeps a folder of its own: its passwords are published",
            received=received,
            expected="a folder that is empty, or that this profile made",
            mend=f"set IDP_DATA_DIR={FOLDER} and no database",
            status=2,
        )


def refuse_made_by_profile(settings: Settings) -> None:
    """What the profile made is never served without its banner. Raises Trouble."""
    if (settings.data_dir / MARKER).is_file():
        raise Trouble(
            "a folder with published passwords is served as the conformance profile only",
            received=f"{settings.data_dir}",
            expected="another data_dir",
            mend="idp init in a fresh folder, or idp serve --profile conformance",
            status=2,
        )


def furnish(settings: Settings) -> None:
    """Folder, key-encryption key and schema: a throw-away installation is made by the start that needs it."""
    import asyncio

    from idp.control.calling import only_opener
    from idp.keyring import generate_key_encryption_key
    from idp.settings_rules import DEFAULT_KEY_FILE

    folder = settings.data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / MARKER).touch(mode=0o600)
    given = settings.key_encryption_key_file or settings.key_encryption_key
    if given is None and not (folder / DEFAULT_KEY_FILE).exists():
        generate_key_encryption_key(folder / DEFAULT_KEY_FILE)
    with only_opener(folder):
        asyncio.run(_to_head(settings))


async def _to_head(settings: Settings) -> None:
    from idp.app import open_store
    from idp.store.migrate import to_head

    store = open_store(settings, patient=True)
    try:
        await store.write(to_head)
    finally:
        await store.aclose()


async def seed(application: Application, suite: Suite) -> None:
    """The people and clients of the seed, as ``idp apply`` would put them."""
    from idp.config.toml_source import TomlSource
    from idp.control.operations import run
    from idp.manifest import parse_manifest

    server = application.server
    asked = parse_manifest(
        TomlSource(manifest(suite), str(SEED)),
        SEED.parent,
        algorithms=server.settings.keys.algorithms,
        grant_types=tuple(server.grants),
        response_types=sorted(server.response_types),
    )
    await run(server, "apply", {"manifest": msgspec.to_builtins(asked, builtin_types=(bytes,))})


def manifest(suite: Suite) -> str:
    """The apply file of this suite. A client of keys is there where its public keys are."""
    text = Template(SEED.read_text(encoding="utf-8")).substitute(suite=suite.address)
    for client_id, jwks in suite.keys.items():
        table = {"client_id": client_id, "client_name": client_id, "jwks": jwks, **KEYED}
        uris = ("callback", "callback?dummy1=lorem&dummy2=ipsum")
        table["redirect_uris"] = tuple(f"{suite.address}/{uri}" for uri in uris)
        table["post_logout_redirect_uris"] = (f"{suite.address}/post_logout_redirect",)
        text += "\n[[clients]]\n" + "".join(f"{name} = {toml_value(value)}\n" for name, value in table.items())
    return text


def say_loudly(settings: Settings, suite: Suite) -> None:
    """What this start is, where nobody can miss it."""
    host = urlsplit(settings.issuer).hostname or ""
    lines = [
        "CONFORMANCE PROFILE: for the OpenID Foundation's suite, never for people.",
        "Passwords and client secrets here are published, and private addresses are called.",
        f"issuer {settings.issuer}   suite {suite.base_url}   alias {suite.alias}   folder {settings.data_dir}",
    ]
    if not suite.keys:
        lines.append(f"no SUITE_KEYS: {' and '.join(KEYED_CLIENTS)} are not registered")
    if not is_local(host):
        lines.append(f"WARNING: {host} looks like a name that others can reach. Let nobody but the suite in.")
    rule = "=" * max(map(len, lines))
    for line in (rule, *lines, rule):
        say.note(click.style(line, fg="red", bold=True))


def is_local(host: str) -> bool:
    """Whether a name's text says that it is of this machine or a private network; nothing is looked up."""
    if is_loopback_host(host) or ("." not in host.strip("[]") and ":" not in host):
        return True
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return host.endswith(_LOCAL_ENDS)
