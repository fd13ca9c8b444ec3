"""What settings must be beyond their types: the issuer's form, numbers that fit, files that are there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from .config.addresses import is_loopback_host
from .config.database_url import database_url_problem
from .config.problems import Problem, quoted
from .settings_client_documents import client_document_problems
from .settings_limits import limit_problems
from .settings_network import network_problems
from .settings_profiles import profile_problems
from .settings_registration import registration_problems

if TYPE_CHECKING:
    from .settings import Settings

DEFAULT_KEY_FILE = "key-encryption-key"  # in data_dir
Named = tuple[str, Problem]

_MAIL = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")  # a mailto: link holds it as it is
_PRINTABLE = re.compile(r"[!-~]+")
_EXAMPLE = "https://id.example.com, or http://localhost:8000 on this machine"


def combination_problems(settings: Settings) -> Iterator[Named]:
    """Every broken rule with the setting to point at."""
    if problem := issuer_problem(settings.issuer):
        yield "issuer", problem
    elif settings.mode == "dev" and not is_loopback_host(urlsplit(settings.issuer).hostname):
        yield (
            "issuer",
            Problem(
                rule="idp dev works for this machine only",
                received=quoted(settings.issuer),
                expected="an issuer on localhost, *.localhost, 127.0.0.0/8 or [::1]",
                mend="leave the issuer out, or use idp serve",
            ),
        )
    if settings.database and (problem := database_url_problem(settings.database.reveal())):
        yield "database", problem
    yield from network_problems(settings)
    yield from limit_problems(settings)
    yield from registration_problems(settings)
    yield from client_document_problems(settings)
    yield from profile_problems(settings)
    yield from _keys(settings)
    yield from _lifetimes(settings)
    yield from _names(settings)
    yield from _mail(settings)
    yield from _files(settings)


def issuer_problem(issuer: str) -> Problem | None:
    """The rule of OpenID Connect Discovery 3 or RFC 8414 2 that ``issuer`` breaks, and how to write it."""
    for rule, broken, mended in _ISSUER_RULES:
        try:
            is_broken = broken(issuer, urlsplit(issuer))
        except ValueError:
            rule, is_broken, mended = "the issuer must be a URL", True, lambda text, parts: _EXAMPLE
        if is_broken:
            return Problem(rule=rule, received=quoted(issuer), expected=_EXAMPLE, mend=_try(mended, issuer))
    return None


def _try(mended: Callable[[str, SplitResult], str], issuer: str) -> str:
    try:
        return f"write {mended(issuer, urlsplit(issuer))}"
    except ValueError:
        return f"write {_EXAMPLE}"


def _bad_path(text: str, parts: SplitResult) -> bool:
    segments = parts.path.split("/")[1:]
    return any(segment in ("", ".", "..") or "%" in segment or ";" in segment for segment in segments)


def _default_port(text: str, parts: SplitResult) -> bool:
    port = parts.port  # raises ValueError past 65535
    return parts.netloc.endswith(":") or port == {"https": 443, "http": 80}.get(parts.scheme)


_ISSUER_RULES: tuple[tuple[str, Callable[[str, SplitResult], bool], Callable[[str, SplitResult], str]], ...] = (
    (
        "the issuer must be a URL of printable ASCII characters",
        lambda text, parts: not _PRINTABLE.fullmatch(text),
        lambda text, parts: "".join(c for c in text if "!" <= c <= "~") or _EXAMPLE,
    ),
    (
        "the issuer must be a full URL with a host",
        lambda text, parts: parts.scheme not in ("http", "https") or not parts.hostname,
        lambda text, parts: f"https://{text}" if "://" not in text and text else _EXAMPLE,
    ),
    (
        "the issuer must not hold a user name",
        lambda text, parts: "@" in parts.netloc,
        lambda text, parts: f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
    ),
    (
        "the issuer must not have a query or fragment (OpenID Connect Discovery 3)",
        lambda text, parts: "?" in text or "#" in text,
        lambda text, parts: re.split("[?#]", text)[0],
    ),
    (
        "the issuer must use https, http is for this machine only",
        lambda text, parts: parts.scheme == "http" and not is_loopback_host(parts.hostname),
        lambda text, parts: "https" + text[4:],
    ),
    (
        "the issuer must not end with a slash",
        lambda text, parts: text.endswith("/"),
        lambda text, parts: text.rstrip("/"),
    ),
    (
        "the issuer's scheme and host must be lower case: verifiers compare every character",
        lambda text, parts: f"{text.partition('://')[0]}{parts.netloc}" != f"{parts.scheme}{parts.netloc.lower()}",
        lambda text, parts: f"{parts.scheme}://{parts.netloc.lower()}{parts.path}",
    ),
    (
        "the issuer must not name the scheme's usual port",
        _default_port,
        lambda text, parts: f"{parts.scheme}://{parts.netloc.rpartition(':')[0]}{parts.path}",
    ),
    (
        "the issuer's path must be plain segments",
        _bad_path,
        lambda text, parts: f"{parts.scheme}://{parts.netloc}",
    ),
)


def _keys(settings: Settings) -> Iterator[Named]:
    keys = settings.keys
    if "RS256" not in keys.algorithms:
        yield (
            "keys.algorithms",
            Problem(
                rule="every provider signs RS256 (OpenID Connect Core 15.1)",
                received=quoted(list(keys.algorithms)),
                expected="a list with RS256 in it",
                mend='write algorithms = ["RS256", "ES256"]',
            ),
        )
    if len(set(keys.algorithms)) != len(keys.algorithms):
        yield (
            "keys.algorithms",
            Problem(
                rule="an algorithm is named once",
                received=quoted(list(keys.algorithms)),
                expected="no repetition",
                mend="take the second one out",
            ),
        )
    if keys.jwks_max_age > keys.longest_cache:
        yield (
            "keys.jwks_max_age",
            Problem(
                rule="a verifier told to keep the JWKS this long would miss a new key",
                received=str(keys.jwks_max_age),
                expected=f"at most keys.longest_cache, {keys.longest_cache}",
                mend="lower jwks_max_age or raise longest_cache",
            ),
        )
    lead = keys.longest_cache + min(60, keys.longest_cache / 10)  # as protocol.key_plan counts it
    if keys.signs < lead:
        yield (
            "keys.signs",
            Problem(
                rule="the next key must have waited in every cache before it signs",
                received=str(keys.signs),
                expected=f"at least keys.longest_cache and its margin, {lead:g}",
                mend="raise signs or lower longest_cache",
            ),
        )


def _lifetimes(settings: Settings) -> Iterator[Named]:
    times = settings.lifetimes
    for idle, absolute in (("refresh_idle", "refresh_absolute"), ("session_idle", "session_absolute")):
        if getattr(times, idle) > getattr(times, absolute):
            yield (
                f"lifetimes.{idle}",
                Problem(
                    rule=f"{idle} cannot outlive {absolute}",
                    received=str(getattr(times, idle)),
                    expected=f"at most {getattr(times, absolute)}",
                    mend=f"lower {idle} or raise {absolute}",
                ),
            )


def _names(settings: Settings) -> Iterator[Named]:
    for methods, acr in settings.acr.items():
        if not methods or not acr or acr.split() != [acr]:
            yield (
                "acr",
                Problem(
                    rule="acr maps methods to one word",
                    received=quoted({methods: acr}),
                    expected='pwd = "urn:idp:acr:pwd"',
                    mend="correct the entry",
                ),
            )


def _mail(settings: Settings) -> Iterator[Named]:
    mail = settings.operator_mail
    if mail is not None and not _MAIL.fullmatch(mail):
        yield (
            "operator_mail",
            Problem(
                rule="operator_mail is one address",
                received=quoted(mail),
                expected='such as "help@example.com", without a name and without mailto:',
                mend="write the bare address",
            ),
        )


def _files(settings: Settings) -> Iterator[Named]:
    if _present(settings.data_dir):
        yield (
            "data_dir",
            Problem(
                rule="data_dir must be a folder",
                received=f"the file {quoted(str(settings.data_dir))}",
                expected="a folder, or a name that is free",
                mend="correct the path",
            ),
        )
    pages, certificates = settings.templates_dir, settings.outbound.ca_file
    if pages is not None and not _present(pages, folder=True):
        yield (
            "templates_dir",
            _absent("templates_dir", pages, "folder", "make the folder, or take the line out"),
        )
    if certificates is not None and not _present(certificates):
        yield "outbound.ca_file", _absent("outbound.ca_file", certificates, "file", "correct the path")


def key_encryption_problem(settings: Settings) -> Problem | None:
    """Why ``idp serve`` has no key-encryption key. It never makes one: two nodes would differ."""
    file = settings.key_encryption_key_file
    if file is not None and settings.key_encryption_key is not None:
        return Problem(
            rule="one key-encryption key",
            received="key_encryption_key_file and IDP_KEY_ENCRYPTION_KEY",
            expected="one of them",
            mend="take one away",
        )
    if file is not None and not _present(file):
        mend = "restore it from your backup; a new key cannot open the old private keys"
        return _absent("key_encryption_key_file", file, "file", mend)
    beside = settings.data_dir / DEFAULT_KEY_FILE
    if file is None and settings.key_encryption_key is None and not _present(beside):
        return Problem(
            rule="the private keys are sealed under a key that idp serve does not make up",
            received=f"neither key_encryption_key_file nor IDP_KEY_ENCRYPTION_KEY, and no {beside}",
            expected="one of them",
            mend=f"for a new installation: idp init --issuer {settings.issuer}",
        )
    return None


def _present(path: Path, *, folder: bool = False) -> bool:
    try:
        return path.is_dir() if folder else path.is_file()
    except OSError:
        return False


def _absent(name: str, path: Path, kind: str, mend: str) -> Problem:
    return Problem(
        rule=f"{name} must be there",
        received=f"no {kind} {quoted(str(path))}",
        expected=f"a {kind} this user may read",
        mend=mend,
    )
