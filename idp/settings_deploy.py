"""What in the settings keeps an installation from going live; the running parts are judged where they run."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from .config.addresses import is_loopback_host
from .settings import Settings
from .settings_rules import DEFAULT_KEY_FILE, key_encryption_problem

_DAY = 86_400
_LONG_TOKEN = 3600
_WIDEST = {4: 8, 6: 7}  # 10.0.0.0/8 and fc00::/7, the widest networks that are anybody's own


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``idp check``; ``mend`` is empty where all is well."""

    check: str
    ok: bool
    found: str
    expected: str
    mend: str = ""


def deploy_findings(settings: Settings) -> tuple[Finding, ...]:
    """Every check of the settings, good and bad, in the order to mend them."""
    return tuple(_findings(settings))


def _findings(settings: Settings) -> Iterator[Finding]:
    address = urlsplit(settings.issuer)
    yield _finding(
        "mode",
        settings.mode == "serve",
        "idp dev" if settings.mode == "dev" else "idp serve",
        "settings of an installation",
        "idp init --issuer https://id.example.com",
    )
    yield _finding(
        "issuer",
        address.scheme == "https" and not is_loopback_host(address.hostname),
        settings.issuer,
        "https and a name that others can reach",
        "write the public name as issuer; it cannot change later without every app noticing",
    )
    yield _front(settings)
    yield _finding(
        "operator's mail",
        settings.operator_mail is not None,
        settings.operator_mail or "none",
        "an address for people who see an error page",
        'write operator_mail = "help@example.com"',
    )
    yield _key_encryption(settings)
    yield from _private_folder(settings.data_dir)
    keys, lifetimes = settings.keys, settings.lifetimes
    yield _finding(
        "key lead",
        keys.longest_cache >= _DAY,
        f"{keys.longest_cache} s",
        f"at least {_DAY} s: some verifiers keep the JWKS a day",
        'write longest_cache = "24h" under [keys]',
    )
    yield _finding(
        "access token lifetime",
        lifetimes.access_token <= _LONG_TOKEN,
        f"{lifetimes.access_token} s",
        f"at most {_LONG_TOKEN} s: an API that verifies offline honours a token until it expires",
        'write access_token = "5m" under [lifetimes]',
    )
    yield _finding(
        "durability",
        settings.synchronous == "FULL",
        settings.synchronous,
        "FULL: after a power cut no spent code lives again",
        'write synchronous = "FULL"',
    )
    bridge = settings.password_exchange_client
    yield _finding(
        "password exchange",
        bridge is None,
        f"on for {bridge}" if bridge else "off",
        "off: RFC 9700 2.4 rules it out",
        "move that client to the code flow and take password_exchange_client out",
    )


def _front(settings: Settings) -> Finding:
    """An https issuer without TLS of its own has a proxy in front: unnamed, every caller would be the proxy."""
    networks = [ipaddress.ip_network(network) for network in settings.trusted_proxies]
    widest = next((str(network) for network in networks if network.prefixlen < _WIDEST[network.version]), None)
    if widest is not None:
        return _finding(
            "proxies",
            False,
            f"trusted_proxies holds {widest}",
            "the proxies' own addresses: whoever is in these networks can say where a request comes from",
            'write the addresses your proxies connect from, such as trusted_proxies = ["10.1.2.3/32"]',
        )
    tls = settings.tls_certificate_file is not None
    named = ", ".join(settings.trusted_proxies)
    found = f"{named}, {settings.proxy_hops} of them in a row" if named else "TLS of its own" if tls else "none named"
    return _finding(
        "proxies",
        tls or bool(named) or not settings.issuer.startswith("https:"),
        found,
        "the proxy that speaks https for this server, or a certificate of its own",
        'write trusted_proxies = ["127.0.0.1/32"] with the address your proxy connects from, or set '
        "tls_certificate_file and tls_key_file",
    )


def _key_encryption(settings: Settings) -> Finding:
    name = "key-encryption key"
    problem = key_encryption_problem(settings)
    if problem is not None and settings.mode == "serve":
        return Finding(check=name, ok=False, found=problem.received, expected=problem.expected, mend=problem.mend)
    if settings.key_encryption_key is not None:
        return _finding(name, True, "in the environment", "a key of this installation alone", "")
    file = settings.key_encryption_key_file or settings.data_dir / DEFAULT_KEY_FILE
    if file.resolve().is_relative_to(settings.data_dir.resolve()):
        return _finding(
            name,
            False,
            f"{file}, inside data_dir",
            "a place of its own: a copy of data_dir must not hold the private keys and what opens them",
            "move the file out of data_dir and name it: key_encryption_key_file",
        )
    mode = _mode(file)
    if mode is None:
        return _finding(name, False, f"no {file}", "a key of this installation alone", "idp init")
    return _finding(
        name,
        mode & 0o077 == 0,
        f"{file}, mode {mode:04o}",
        "readable by its owner alone",
        f"chmod 600 {file}",
    )


def _private_folder(folder: Path) -> Iterator[Finding]:
    mode = _mode(folder)
    yield _finding(
        "data_dir",
        mode is not None and mode & 0o077 == 0,
        f"no {folder}" if mode is None else f"{folder}, mode {mode:04o}",
        "a folder for its owner alone",
        f"mkdir -p {folder} && chmod 700 {folder}",
    )


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode & 0o7777
    except OSError:
        return None


def _finding(check: str, ok: bool, found: str, expected: str, mend: str) -> Finding:
    return Finding(check=check, ok=ok, found=found, expected=expected, mend="" if ok else mend)
