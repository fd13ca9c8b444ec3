"""What a client must be before it is stored (RFC 7591 2, OIDC Registration 1.0 2).

Pure checks that answer every flaw at once; apply file, commands and registration over HTTP share them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import chain

from idp.config.problems import Problem
from idp.config.reach import Reach
from idp.jose.shared_secret import MOST_OCTETS
from idp.protocol import dpop, fapi2
from idp.protocol.client import Client
from idp.protocol.device import GRANT_TYPE as DEVICE
from idp.protocol.frontchannel_logout import frontchannel_flaws
from idp.protocol.jwt_bearer import GRANT_TYPE as JWT_BEARER
from idp.protocol.jwt_bearer import jwt_bearer_flaws
from idp.protocol.registration_keys import key_flaws, signing_flaws
from idp.protocol.registration_parts import (
    ALGORITHMS,
    MAX_TOKEN_LIFETIME,
    Flaw,
    flaw,
    out_of_bounds,
    repeated,
    scope_word_flaws,
    text_flaws,
    unknown_words,
)
from idp.protocol.registration_requests import request_flaws
from idp.protocol.registration_responses import answering, offered, pair_flaws, registrable, response_type_flaws
from idp.protocol.registration_subjects import subject_flaws
from idp.protocol.registration_uris import (
    origin_problem,
    redirect_uri_problem,
    resource_problem,
    web_uri_problem,
)
from idp.protocol.token_exchange import GRANT_TYPE as TOKEN_EXCHANGE

GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE, JWT_BEARER, DEVICE)
RESPONSE_TYPES = offered(False)
MIN_SECRET = 16

_VISIBLE = re.compile(r"[!-~]+", re.ASCII)
_PUBLIC = Reach()
_WEB_URIS = (
    "logo_uri",
    "client_uri",
    "policy_uri",
    "tos_uri",
    "backchannel_logout_uri",
    "frontchannel_logout_uri",
    "initiate_login_uri",
    "sector_identifier_uri",
)


def client_flaws(
    client: Client,
    *,
    algorithms: Collection[str] = ALGORITHMS,
    grant_types: Collection[str] = GRANT_TYPES,
    response_types: Collection[str] = RESPONSE_TYPES,
    reach: Reach = _PUBLIC,
    profile: str = "none",
) -> tuple[Flaw, ...]:
    """Everything that keeps ``client`` from being registered.

    ``reach`` says which addresses this server fetches, ``profile`` is the server's.
    """
    return tuple(
        chain(
            _names(client),
            _redirects(client),
            _web_uris(client),
            frontchannel_flaws(client),
            _flows(client, grant_types, response_types),
            _authentication(client),
            key_flaws(client, reach),
            jwt_bearer_flaws(client, reach),
            signing_flaws(client, algorithms),
            request_flaws(client),
            subject_flaws(client),
            _ours(client),
            dpop.flaws(client),
            fapi2.unfit(fapi2.applied(client, profile, algorithms)),
        )
    )


def secret_problem(secret: str, least: int | None = None) -> Problem | None:
    """A client secret chosen by a person. It is stored as a plain hash, so it must not be guessable.

    ``least`` as ``shortest_secret`` gives it, where the secret keys an HMAC: then it has an upper bound as well.
    """
    bounds = f"at least {MIN_SECRET}" if least is None else f"{least} to {MOST_OCTETS}"
    fits = len(secret) >= MIN_SECRET if least is None else least <= len(secret) <= MOST_OCTETS
    if not fits or not _VISIBLE.fullmatch(secret):
        return Problem(
            rule="a client secret is a long random text",
            received=f"{len(secret)} characters" if _VISIBLE.fullmatch(secret or " ") else "spaces or other characters",
            expected=f"{bounds} printable ASCII characters",
            mend="make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
        )
    return None


def _names(client: Client) -> Iterator[Flaw]:
    if not _VISIBLE.fullmatch(client.client_id) or len(client.client_id) > 255:
        yield flaw(
            "client_id",
            "a client_id is 1 to 255 printable ASCII characters",
            client.client_id,
            "letters, digits, - . _ or a URL",
            "rename the client",
        )
    yield from text_flaws("client_name", client.client_name)
    for index, contact in enumerate(client.contacts):
        yield from text_flaws("contacts", contact, index)
    for member in ("software_id", "software_version"):
        yield from text_flaws(member, getattr(client, member) or "")


def _redirects(client: Client) -> Iterator[Flaw]:
    for index, uri in enumerate(client.redirect_uris):
        problem = redirect_uri_problem(uri, client.application_type)
        if problem is not None:
            yield Flaw(member="redirect_uris", index=index, problem=problem)
    if answering(client.grant_types) and not client.redirect_uris:
        yield Flaw(
            member="redirect_uris",
            problem=Problem(
                rule="an app people sign in to needs an address to answer to",
                received="no redirect_uris",
                expected="at least one",
                mend='add redirect_uris = ["https://..."], or grant_types without authorization_code and implicit',
            ),
        )
    for member in ("redirect_uris", "post_logout_redirect_uris", "contacts", "allowed_origins"):
        yield from repeated(member, getattr(client, member))


def _web_uris(client: Client) -> Iterator[Flaw]:
    for member in _WEB_URIS:
        uri = getattr(client, member)
        problem = web_uri_problem(uri) if uri is not None else None
        if problem is not None:
            yield Flaw(member=member, problem=problem)
    for index, uri in enumerate(client.post_logout_redirect_uris):
        problem = web_uri_problem(uri) if client.application_type == "web" else redirect_uri_problem(uri, "native")
        if problem is not None:
            yield Flaw(member="post_logout_redirect_uris", index=index, problem=problem)
    for index, origin in enumerate(client.allowed_origins):
        problem = origin_problem(origin)
        if problem is not None:
            yield Flaw(member="allowed_origins", index=index, problem=problem)
    if client.backchannel_logout_session_required and client.backchannel_logout_uri is None:
        yield flaw(
            "backchannel_logout_session_required",
            "a session to be told of needs an address to tell it to",
            "no backchannel_logout_uri",
            "a backchannel_logout_uri",
            "add it, or take this line out",
        )


def _flows(client: Client, grants: Collection[str], responses: Collection[str]) -> Iterator[Flaw]:
    grants = registrable(grants, responses)
    if client.grant_types or not client.audiences:  # a resource server that only introspects asks for no token
        yield from unknown_words("grant_types", client.grant_types, grants)
    yield from response_type_flaws(client.response_types, responses)
    known = set(client.grant_types) <= set(grants) and set(client.response_types) <= set(responses)
    if known and client.grant_types and (client.redirect_uris or answering(client.grant_types)):
        yield from pair_flaws(client)
    if "client_credentials" in client.grant_types and client.public:
        yield flaw(
            "grant_types",
            "client_credentials needs a client that can prove who it is (RFC 6749 4.4)",
            client.token_endpoint_auth_method,
            "another token_endpoint_auth_method",
            'write token_endpoint_auth_method = "client_secret_basic"',
        )
    if client.refresh == "session" and "refresh_token" not in client.grant_types:
        yield flaw(
            "refresh",
            "refresh tokens are a grant",
            list(client.grant_types),
            "refresh_token among grant_types",
            "add it, or take refresh out",
        )
    yield from scope_word_flaws("scope", client.scope.split(" ") if client.scope else [])


def _authentication(client: Client) -> Iterator[Flaw]:
    method, member = client.token_endpoint_auth_method, "token_endpoint_auth_method"
    if method.startswith("client_secret_") and not client.secret_hashes:
        yield flaw(
            member,
            f"{method} needs a secret",
            "no client_secret",
            "client_secret_file or client_secret",
            'add client_secret_file = "...", or token_endpoint_auth_method = "none" for a public client',
        )
    if method in ("none", "private_key_jwt") and client.secret_hashes:
        yield flaw(
            member,
            f"{method} has no secret",
            "(hidden)",
            "no client_secret",
            'take the secret out, or write token_endpoint_auth_method = "client_secret_basic"',
        )
    if not client.require_pkce and client.public:
        yield flaw(
            "require_pkce",
            "a public client always sends PKCE (RFC 9700 2.1.1)",
            False,
            "true",
            "take the line out; only a confidential client that sends a nonce may be exempt",
        )


def _ours(client: Client) -> Iterator[Flaw]:
    for member in ("resources", "audiences"):
        for index, uri in enumerate(getattr(client, member)):
            problem = resource_problem(uri)
            if problem is not None:
                yield Flaw(member=member, index=index, problem=problem)
        yield from repeated(member, getattr(client, member))
    if client.audiences and client.public:
        yield flaw(
            "audiences",
            "introspection is for clients that can prove who they are (RFC 7662 2.1)",
            client.token_endpoint_auth_method,
            "another token_endpoint_auth_method",
            "take audiences out",
        )
    exchanges = TOKEN_EXCHANGE in client.grant_types
    if exchanges != bool(client.token_exchange) or (exchanges and client.public):
        yield flaw(
            "token_exchange",
            "acting for people is allowed by name, to a client that can prove who it is (RFC 8693 5)",
            f"{list(client.token_exchange)}, {client.token_endpoint_auth_method}",
            f'token_exchange = ["delegation"] together with {TOKEN_EXCHANGE} among grant_types, and credentials',
            "write both or neither",
        )
    yield from repeated("token_exchange", client.token_exchange)
    yield from out_of_bounds("refresh_grace", client.refresh_grace, 0, 600)
    yield from out_of_bounds("access_token_lifetime", client.access_token_lifetime, 1, MAX_TOKEN_LIFETIME)
    yield from out_of_bounds("default_max_age", client.default_max_age, 0, 10 * 365 * 86_400)
