"""The apply file: one TOML file of clients, people, scopes and resources, frozen or refused by line.

It says what should be; whether an entry is new, changed or the same is found out where it is stored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from idp.config.problems import ConfigurationError, quoted
from idp.config.reach import Reach
from idp.config.reading import Report, as_seconds, read_struct
from idp.config.toml_source import Place, TomlSource, read_toml
from idp.manifest_people import Person, read_person, read_secret_file
from idp.protocol.client import Client, Resource, Scope
from idp.protocol.registration import GRANT_TYPES, RESPONSE_TYPES, client_flaws, secret_problem
from idp.protocol.registration_keys import shortest_secret
from idp.protocol.registration_parts import ALGORITHMS, Flaw
from idp.protocol.registration_resources import resource_flaws, scope_flaws

T = TypeVar("T", bound=msgspec.Struct)

_SECTIONS = ("clients", "people", "scopes", "resources")
SECONDS = ("refresh_grace", "access_token_lifetime", "default_max_age")
SECRETS = ("client_secret", "client_secret_file", "client_secret_hashes")
HIDDEN = ("secret_hashes", "sealed_secrets", "registered")  # members of a client that no file says
MAX_SECRETS = 2  # the one in use, and the one the app moves to
_PUBLIC = Reach()
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HINTS = {
    "secret": "write client_secret, or better client_secret_file",
    "secret_hashes": "write client_secret_file, or client_secret_hashes",
    "redirect_uri": "write redirect_uris = [...]",
    "id": "write client_id",
    "registered": "take the line out: an app in the file is the operator's",
    "sealed_secrets": "write client_secret_file, or client_secret",
}


class ManifestError(ConfigurationError):
    """The file cannot be applied, and nothing of it was; ``problems`` holds every reason."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a file asks for, in its order. Survives ``msgspec.to_builtins`` and ``convert`` unchanged.

    ``secrets`` are those of client_secret_jwt by client_id, as given: the server has to seal them, a hash is no key.
    """

    clients: tuple[Client, ...] = ()
    people: tuple[Person, ...] = ()
    scopes: tuple[Scope, ...] = ()
    resources: tuple[Resource, ...] = ()
    secrets: dict[str, str] = {}

    def __repr__(self) -> str:
        sizes = (len(self.clients), len(self.people), len(self.scopes), len(self.resources))
        return "Manifest({} clients, {} people, {} scopes, {} resources)".format(*sizes)


def read_manifest(
    path: Path,
    *,
    algorithms: Collection[str] = ALGORITHMS,
    grant_types: Collection[str] = GRANT_TYPES,
    response_types: Collection[str] = RESPONSE_TYPES,
    reach: Reach = _PUBLIC,
    profile: str = "none",
) -> Manifest:
    """Read and check a whole file. Raises ManifestError; relative files in it are seen from its folder."""
    try:
        source = read_toml(path)
    except ConfigurationError as error:
        raise ManifestError(error.problems) from None
    return parse_manifest(
        source,
        path.parent,
        algorithms=algorithms,
        grant_types=grant_types,
        response_types=response_types,
        reach=reach,
        profile=profile,
    )


def parse_manifest(
    source: TomlSource,
    folder: Path,
    *,
    algorithms: Collection[str] = ALGORITHMS,
    grant_types: Collection[str] = GRANT_TYPES,
    response_types: Collection[str] = RESPONSE_TYPES,
    reach: Reach = _PUBLIC,
    profile: str = "none",
) -> Manifest:
    """The same for a text already read."""
    report = Report(source)
    judge = partial(
        client_flaws,
        algorithms=algorithms,
        grant_types=grant_types,
        response_types=response_types,
        reach=reach,
        profile=profile,
    )
    secrets: dict[str, str] = {}
    for name in source.tables:
        if name not in _SECTIONS:
            report.unknown("section", name, _SECTIONS, (name,))
    clients = _each("clients", report, lambda t, at: _client(t, report, at, folder, judge, secrets))
    people = _each("people", report, lambda t, at: read_person(t, report, at, folder))
    scopes = _each("scopes", report, lambda t, at: _scope(t, report, at))
    resources = _each("resources", report, lambda t, at: _resource(t, report, at, algorithms))
    _once("clients", "client_id", clients, report)
    _once("people", "username", people, report)
    _once("people", "sub", people, report)
    _once("scopes", "name", scopes, report)
    _once("resources", "uri", resources, report)
    if report.problems:
        raise ManifestError(sorted(report.problems, key=lambda problem: problem.line or 0))
    return Manifest(
        clients=tuple(clients.values()),
        people=tuple(people.values()),
        scopes=tuple(scopes.values()),
        resources=tuple(resources.values()),
        secrets=secrets,
    )


def _each(section: str, report: Report, read: Callable[[Mapping[str, Any], Place], T | None]) -> dict[int, T]:
    """The entries that could be read, by their place in the file."""
    tables = report.source.tables.get(section, [])
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        report.add(
            (section,),
            rule=f"{section} are tables",
            received="something else",
            expected=f"[[{section}]] before each entry",
            mend=f"write [[{section}]]",
        )
        return {}
    found = {index: read(table, (section, index)) for index, table in enumerate(tables)}
    return {index: entry for index, entry in found.items() if entry is not None}


def _once(section: str, key: str, entries: Mapping[int, msgspec.Struct], report: Report) -> None:
    first: dict[str, int] = {}
    for index, entry in entries.items():
        value = getattr(entry, key)
        if value is not None and first.setdefault(value, index) != index:
            before = report.source.line((section, first[value], key))
            report.add(
                (section, index, key),
                rule=f"each {key} once",
                received=quoted(value),
                expected=f"another {key} than in line {before}",
                mend="join the two entries or rename one",
            )


def _client(
    table: Mapping[str, Any],
    report: Report,
    place: Place,
    folder: Path,
    judge: Callable[[Client], Iterable[Flaw]],
    secrets: dict[str, str],
) -> Client | None:
    rest = dict(table)
    given = {name: rest.pop(name) for name in SECRETS if name in rest}
    client = _read(Client, rest, report, place, hidden=HIDDEN, also=SECRETS)
    least = None if client is None else shortest_secret(client)
    hashes, secret = _secrets(given, report, place, folder, least)
    if client is None:
        return None
    client = msgspec.structs.replace(client, secret_hashes=hashes)
    _tell(judge(client), report, place)
    if least is not None and secret is not None:
        secrets[client.client_id] = secret
    return client


def _secrets(
    given: Mapping[str, Any], report: Report, place: Place, folder: Path, least: int | None
) -> tuple[tuple[bytes, ...], str | None]:
    """Hashes, and the secret where it is given itself; a stand-in keeps a refused one from being missed as well."""
    if not given:
        return (), None
    name, value = next(iter(given.items()))
    if name == "client_secret_hashes" and len(given) == 1:
        return _given_hashes(value, report, (*place, name)), None
    if len(given) > 1 or not isinstance(value, str):
        report.add(
            (*place, name),
            rule="one way to give the secret",
            received="(hidden)",
            expected="client_secret, client_secret_file or client_secret_hashes",
            mend="keep client_secret_file",
        )
        return (b"",), None
    secret = read_secret_file(folder / value, report, (*place, name)) if name.endswith("_file") else value
    problem = None if secret is None else secret_problem(secret, least)
    if problem is not None:
        report.add_problem((*place, name), problem)
    return (hashlib.sha256((secret or "").encode()).digest(),), secret


def _given_hashes(value: Any, report: Report, place: Place) -> tuple[bytes, ...]:
    """What ``idp export`` writes in place of secrets: SHA-256 in hexadecimal, the newest first."""
    texts = value if isinstance(value, list) else [value]
    sound = all(isinstance(text, str) and _HASH.fullmatch(text) for text in texts)
    if not sound or not 0 < len(set(texts)) == len(texts) <= MAX_SECRETS:
        report.add(
            place,
            rule="secrets by their hashes",
            received="(hidden)",
            expected=f"a list of 1 to {MAX_SECRETS} different texts of 64 hexadecimal digits, SHA-256 of the secret",
            mend="printf %s SECRET | sha256sum prints one",
        )
        return (b"",)
    return tuple(bytes.fromhex(text) for text in texts)


def _scope(table: Mapping[str, Any], report: Report, place: Place) -> Scope | None:
    scope = _read(Scope, table, report, place)
    if scope is not None:
        _tell(scope_flaws(scope), report, place)
    return scope


def _resource(table: Mapping[str, Any], report: Report, place: Place, algorithms: Collection[str]) -> Resource | None:
    resource = _read(Resource, table, report, place)
    if resource is not None:
        _tell(resource_flaws(resource, algorithms=algorithms), report, place)
    return resource


def _read(
    struct: type[T],
    table: Mapping[str, Any],
    report: Report,
    place: Place,
    hidden: Collection[str] = (),
    also: Collection[str] = (),
) -> T | None:
    seconds = {name: as_seconds(value) for name, value in table.items() if name in SECONDS}
    kind = f"name in [[{place[0]}]]"
    return read_struct(struct, {**table, **seconds}, report, place, kind=kind, hints=_HINTS, not_ours=hidden, also=also)


def _tell(flaws: Iterable[Flaw], report: Report, place: Place) -> None:
    for flaw in flaws:
        inner: Place = (flaw.member,) if flaw.index is None else (flaw.member, flaw.index)
        report.add_problem((*place, *inner), flaw.problem, member=flaw.member)
