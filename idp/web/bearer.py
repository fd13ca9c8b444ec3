"""A presented access token of ours: proved, for us, and still standing (RFC 6750, RFC 9068 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from idp.jose import JoseError
from idp.protocol.client import Client
from idp.protocol.errors import Refused, registered_characters
from idp.server import Server
from idp.store.tokens import Standing, standing


@dataclass(frozen=True, slots=True)
class Accepted:
    """A live token: its claims, its client, and the person it acts for (None: the client itself)."""

    claims: Mapping[str, Any]
    client: Client
    standing: Standing

    @property
    def scope(self) -> tuple[str, ...]:
        return tuple(str(self.claims.get("scope", "")).split())


def bearer_token(http: Request, in_form: str | None = None) -> str:
    """The one token of a request: Authorization header, or form field; never the query (RFC 6750 2.3)."""
    headers = http.headers.getlist("authorization")
    if len(headers) + (in_form is not None) > 1:
        raise Refused(
            "invalid_request",
            "The token was sent more than once.",
            rule="RFC 6750 2",
            received=f"{len(headers)} Authorization headers and {int(in_form is not None)} access_token fields",
            expected="one of them",
            mend="Send the token in one Authorization header.",
        )
    if in_form is not None:
        return in_form
    if not headers:
        raise unauthorized(
            "",
            "No access token was sent.",
            received="no Authorization header",
            expected="Authorization: Bearer TOKEN; a token in the URL is not read",
        )
    scheme, _, token = headers[0].partition(" ")
    if scheme.lower() != "bearer" or not token or not token.isascii() or any(c in token for c in ' ,\t"'):
        raise unauthorized(
            "invalid_token", "The Authorization header holds no Bearer token.", received=f"scheme {scheme[:20]}"
        )
    return token


async def accept(server: Server, token: str) -> Accepted | str:
    """A live token, or the reason why it is not one. The grant is asked each time: revoked means now (decision 18)."""
    try:
        claims = server.keyring.verify(token, typ=("at+jwt",)).claims
    except JoseError as error:
        return str(error)
    now = server.now()
    expires, jti, client_id, grant = (claims.get(name) for name in ("exp", "jti", "client_id", "grant"))
    if claims.get("iss") != server.issuer:
        return "it was issued by another issuer"
    if not isinstance(jti, str) or not isinstance(grant, str | None):
        return "its claims are not those of an access token"
    if not isinstance(expires, (int, float)) or now >= expires:
        return f"it expired {int(now - expires)} s ago" if isinstance(expires, (int, float)) else "it has no exp"
    client = await server.client(client_id if isinstance(client_id, str) else None)
    if client is None or client.disabled:
        return "its client is unknown or disabled"
    found = await server.database.read(standing, grant, jti)
    return "it was revoked, or its person may not act" if found is None else Accepted(claims, client, found)


def audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    audience = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    return tuple(name for name in several if isinstance(name, str))


def unauthorized(error: str, description: str, *, received: str = "", expected: str = "", status: int = 401) -> Refused:
    """RFC 6750 3: without any token the challenge names no error."""
    challenge = 'Bearer realm="idp"'
    if error:
        challenge += f', error="{error}", error_description="{registered_characters(description)}"'
    return Refused(
        error or "invalid_token",
        description,
        rule="RFC 6750 3",
        received=received,
        expected=expected or "a live access token (at+jwt) of this issuer",
        mend="idp decode TOKEN shows what is inside; idp verify TOKEN says what is wrong with it.",
        status=status,
        headers={"WWW-Authenticate": challenge},
    )
