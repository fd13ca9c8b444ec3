"""grant_type=jwt-bearer (RFC 7523 2.1): another issuer's word for a person, from a client that may bring it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.grants.client_keys import verify_by_client_key
from idp.grants.people import follow
from idp.jose import JoseError, Token, read_unverified
from idp.protocol.assertions import LEEWAY, Amiss, amiss, shown
from idp.protocol.authorization import Authorization
from idp.protocol.checks import allowed_resources, allowed_scopes
from idp.protocol.client import AssertionIssuer, Client
from idp.protocol.errors import Refused, invalid_grant
from idp.protocol.registration_keys import ASSERTION_ALGORITHMS
from idp.protocol.registration_parts import MAX_TOKEN_LIFETIME
from idp.server import Server, TokenRequest
from idp.store.assertions import Assertion, accept, whose_word

_ALGORITHMS = ASSERTION_ALGORITHMS["private_key_jwt"]
_TYPES = ("JWT", "")
# Without a browser there is no sign-on these could speak of.
_OF_A_SIGN_ON = frozenset({"openid", "offline_access"})


async def jwt_bearer(request: TokenRequest, server: Server) -> Authorization:
    """One transaction spends the assertion, finds the person and writes the grant. No refresh token (RFC 7521 4.1)."""
    client, parameters = request.client, request.parameters
    trusted, token = await _proved(server, client, parameters.require("assertion"))
    wrong = _to_another(token.claims, server.issuer) or amiss(token.claims, request.now)
    subject = token.claims.get("sub")
    if wrong is None and not (isinstance(subject, str) and 0 < len(subject) <= 255):
        wrong = Amiss(f"sub {shown(token.claims, 'sub')}", f"the person's {trusted.subject}")
    if wrong is not None:
        raise refused(client, *wrong)
    asked = parameters.words("scope") or tuple(word for word in client.scope.split() if word not in _OF_A_SIGN_ON)
    scope = tuple(word for word in allowed_scopes(asked, client, server.rules) if word not in _OF_A_SIGN_ON)
    audience = allowed_resources(parameters.all("resource"), client, server.rules)
    assertion = Assertion(
        issuer=trusted.issuer,
        jti=token.claims["jti"],
        expires_at=token.claims["exp"] + LEEWAY,
        subject=str(subject),
        by_username=trusted.subject == "username",
        grant_id=server.random_id(16),
        client_id=client.client_id,
        scope=" ".join(scope),
        resources=" ".join(audience),
        now=request.now,
        lifetime=MAX_TOKEN_LIFETIME,
    )
    await follow(server, whose_word, assertion)
    outcome = await server.database.write(accept, server.journal, assertion)
    if isinstance(outcome, Refused):
        raise outcome
    return Authorization(
        client=client,
        scope=scope,
        audience=audience,
        now=request.now,
        grant_type="jwt_bearer",
        grant_id=assertion.grant_id,
        account=outcome,
    )


def _to_another(claims: Mapping[str, Any], issuer: str) -> Amiss | None:
    """RFC 7523 3: for this server and nobody besides; by its older name, the token endpoint, as well."""
    names = (issuer, f"{issuer}/token")
    if any(claims.get("aud") in (name, [name]) for name in names):
        return None
    return Amiss(f"aud {shown(claims, 'aud')}", f"aud = {' or '.join(names)}, alone")


async def _proved(server: Server, client: Client, text: str) -> tuple[AssertionIssuer, Token]:
    try:
        said = read_unverified(text).claims.get("iss")
    except JoseError as error:
        raise refused(client, str(error), "a signed JWT") from None
    trusted = next((each for each in client.assertion_issuers if each.issuer == said), None)
    if trusted is None:
        names = " or ".join(each.issuer for each in client.assertion_issuers)
        raise refused(client, f"iss {shown({'iss': said}, 'iss')}", f"iss = {names}")
    try:
        return trusted, await verify_by_client_key(server, trusted, text, algorithms=_ALGORITHMS, typ=_TYPES)
    except JoseError as error:
        raise refused(client, str(error), f"a JWT signed by a key of {trusted.issuer}") from None


def refused(client: Client, received: str, expected: str) -> Refused:
    """RFC 7523 3.1."""
    return invalid_grant(
        "The assertion was not accepted.",
        received=f"{received} (client {client.client_id})",
        expected=expected,
        mend="Have the other issuer sign a new assertion for every request, for this server.",
        rule="RFC 7523 3",
    )
