"""grant_type=client_credentials (RFC 6749 4.4): a service for itself; nothing is stored, so nothing need be cleaned."""

from __future__ import annotations

from idp.protocol.authorization import Authorization
from idp.protocol.checks import allowed_resources, allowed_scopes
from idp.protocol.errors import Refused
from idp.server import Server, TokenRequest

# About people: without one there is nothing these could mean (OpenID Connect Core 5.4, 11).
_PERSONAL = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})


async def client_credentials(request: TokenRequest, server: Server) -> Authorization:
    client, parameters = request.client, request.parameters
    if client.public:
        raise Refused(
            "unauthorized_client",
            "A client without credentials cannot ask for a token for itself.",
            rule="RFC 6749 4.4",
            received=f"token_endpoint_auth_method none of client {client.client_id}",
            expected="a confidential client",
            mend="Give the client a secret or a key, or use authorization_code with PKCE.",
        )
    asked = parameters.words("scope") or tuple(word for word in client.scope.split() if word not in _PERSONAL)
    scope = tuple(word for word in allowed_scopes(asked, client, server.rules) if word not in _PERSONAL)
    return Authorization(
        client=client,
        scope=scope,
        audience=allowed_resources(parameters.all("resource"), client, server.rules),
        now=request.now,
        grant_type="client_credentials",
    )
