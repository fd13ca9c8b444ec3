"""A registration over HTTP as a client: which members a stranger may set, and what more must hold (RFC 7591 2, 3.1).

What the apply file allows an operator and this does not is said here; the checks of both are ``registration``'s.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import msgspec

from idp.config.problems import Problem, quoted
from idp.config.reach import Reach
from idp.config.reading import Field, convert, fields, uncapitalised
from idp.protocol.claims import STANDARD_SCOPES
from idp.protocol.client import Client
from idp.protocol.errors import Refused
from idp.protocol.registration import client_flaws
from idp.protocol.registration_names import REGISTERED_NAMES
from idp.protocol.registration_parts import Flaw, flaw

# Addresses this server calls: not where only it can reach.
_CALLED = ("backchannel_logout_uri", "sector_identifier_uri", "request_uris")  # jwks_uri: the checks of every client
_NO_SECRET_YET = (b"\0" * 32,)  # the checks ask only whether there is one
_MAX_DESCRIPTION = 1500


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What this server lets registered clients have. ``may_call`` judges a host by its text alone."""

    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    require_pkce: bool
    methods: Collection[str]
    grant_types: Collection[str]
    response_types: Collection[str]
    algorithms: Collection[str]
    may_call: Callable[[str], bool]
    reach: Reach
    profile: str = "none"


@functools.cache
def registrable() -> Mapping[str, Field]:
    """The members whoever registers may set, by name: those with a registered one."""
    return {field.name: field for field in fields(Client) if field.name in REGISTERED_NAMES}


@functools.cache
def private() -> frozenset[str]:
    """The members that decide what a client may do here: the operator's alone."""
    return frozenset(field.name for field in fields(Client)) - REGISTERED_NAMES


def read_metadata(members: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Flaw, ...]]:
    """The registrable members of a request, and those of the wrong type. Unknown ones are ignored (RFC 7591 2).

    null, an empty text and an empty list count as left out (RFC 7591 2, RFC 7592 2.2). Raises Refused for a software
    statement.
    """
    if members.get("software_statement") is not None:
        raise Refused(
            "unapproved_software_statement",
            "No software statement is approved here: leave software_statement out and send its members themselves.",
            rule="RFC 7591 3.2.2",
            received="a software_statement",
            expected="plain metadata",
            mend="This server trusts no issuer of software statements; hand out initial access tokens instead.",
        )
    values: dict[str, Any] = {}
    flaws = []
    for name, field in registrable().items():
        value = members.get(name)
        if value is None or value == "" or value == []:
            continue
        try:
            values[name] = convert(value, field)
        except msgspec.ValidationError as error:
            flaws.append(_wrong_type(name, value, field, error))
    return values, tuple(flaws)


def _wrong_type(name: str, value: Any, field: Field, error: msgspec.ValidationError) -> Flaw:
    problem = Problem(
        rule=f"{name} is {field.type_name}",
        received=quoted(value, 60),
        expected=uncapitalised(str(error)),
        mend=f"correct {name}",
    )
    return Flaw(member=name, problem=problem)


def described(values: Mapping[str, Any], before: Client, policy: Policy) -> Client:
    """The client of these members: what is not among them has its default, what is private stays as it was."""
    kept = {name: getattr(before, name) for name in private()}
    found = Client(**kept, **values)
    if "scope" not in values:
        found = msgspec.structs.replace(found, scope=" ".join(_usual_scopes(found, policy)))
    hashes, sealed = _kept_secrets(found.token_endpoint_auth_method, before)
    return msgspec.structs.replace(
        found,
        require_pkce=before.require_pkce or found.public,
        secret_hashes=hashes,
        sealed_secrets=sealed,
        registered=True,
    )


def _kept_secrets(method: str, before: Client) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Hashes and sealed secrets under ``method``: a hash alone keys no HMAC, so that one is made anew."""
    if not method.startswith("client_secret"):
        return (), ()
    if method != "client_secret_jwt":
        return before.secret_hashes or _NO_SECRET_YET, ()
    return (before.secret_hashes, before.sealed_secrets) if before.sealed_secrets else (_NO_SECRET_YET, ())


def lacks_secret(client: Client) -> bool:
    """Whether a secret must be made before it is stored."""
    return client.secret_hashes == _NO_SECRET_YET


def _usual_scopes(client: Client, policy: Policy) -> Iterator[str]:
    """All that is allowed, without what this client's grants can make nothing of."""
    for word in policy.scopes:
        about_people = word in STANDARD_SCOPES and client.grant_types == ("client_credentials",)
        without_refresh = word == "offline_access" and "refresh_token" not in client.grant_types
        if not about_people and not without_refresh:
            yield word


def registered_flaws(client: Client, policy: Policy) -> tuple[Flaw, ...]:
    """Everything that keeps a client a stranger described from being stored."""
    return tuple(
        chain(
            client_flaws(
                client,
                algorithms=policy.algorithms,
                grant_types=policy.grant_types,
                response_types=policy.response_types,
                reach=policy.reach,
                profile=policy.profile,
            ),
            _scopes(client, policy),
            _method(client, policy),
            _initiate(client),
            _called(client, policy),
        )
    )


def _scopes(client: Client, policy: Policy) -> Iterator[Flaw]:
    for word in client.scope.split():
        if word not in policy.scopes:
            yield flaw(
                "scope",
                "a scope registered apps may have here",
                word,
                f"some of {' '.join(policy.scopes)}",
                "take it out, or ask the operator to add it to registration.scopes",
            )


def _method(client: Client, policy: Policy) -> Iterator[Flaw]:
    if client.token_endpoint_auth_method not in policy.methods:
        yield flaw(
            "token_endpoint_auth_method",
            "a method this server offers",
            client.token_endpoint_auth_method,
            f"one of {', '.join(policy.methods)}",
            "choose one of them",
        )


def _initiate(client: Client) -> Iterator[Flaw]:
    uri = client.initiate_login_uri
    if uri is not None and urlsplit(uri).scheme != "https":
        yield flaw(
            "initiate_login_uri",
            "a sign-in that somebody else begins goes to https (OpenID Connect Registration 2)",
            uri,
            "https://...",
            "use https",
        )


def _called(client: Client, policy: Policy) -> Iterator[Flaw]:
    """The addresses this server calls by itself. A name may still resolve to the inside: the door asks at each call."""
    for member in _CALLED:
        value = getattr(client, member, None) or ()
        for uri in (value,) if isinstance(value, str) else value:
            try:
                host = urlsplit(uri).hostname or ""
            except ValueError:
                continue  # told by the checks of its form
            if not policy.may_call(host):
                yield flaw(
                    member,
                    "an address this server calls is on the public network",
                    uri,
                    "a public https address",
                    "use a public name, or ask the operator to register the app",
                )


def refusal(flaws: Collection[Flaw]) -> Refused:
    """All flaws in one answer (RFC 7591 3.2.2): member, rule, what came, what would do."""
    error = next((found.error for found in flaws if found.error == "invalid_redirect_uri"), "invalid_client_metadata")
    text = "; ".join(map(_told, flaws)).replace('"', "'")
    return Refused(
        error,
        text if len(text) <= _MAX_DESCRIPTION else f"{text[:_MAX_DESCRIPTION]}...",
        rule="RFC 7591 3.2.2",
        received=", ".join(sorted({found.member for found in flaws})),
        expected="members as RFC 7591 2 and OpenID Connect Registration 2 have them",
        mend="The one who registers reads each flaw in error_description.",
    )


def _told(found: Flaw) -> str:
    place = found.member if found.index is None else f"{found.member}[{found.index}]"
    problem = found.problem
    return f"{place}: {problem.rule}, received {problem.received}, expected {problem.expected}; {problem.mend}"
