"""The token endpoint's grants, and the endpoints a token is shown to."""

from __future__ import annotations

from idp.features.feature import Endpoint, Feature
from idp.grants.authorization_code import authorization_code
from idp.grants.client_credentials import client_credentials
from idp.grants.refresh_token import refresh_token
from idp.web.introspection import introspect
from idp.web.revocation import revoke
from idp.web.token import token
from idp.web.userinfo import userinfo

_TOKEN = Endpoint("/token", ("POST",), token, "client", "RFC 6749 3.2", cors=True)

AUTHORIZATION_CODE = Feature(
    "authorization code",
    endpoints=(_TOKEN,),
    grants={"authorization_code": authorization_code},
    metadata=lambda settings: {"token_endpoint": f"{settings.issuer}/token"},
)
REFRESH_TOKEN = Feature("refresh token", grants={"refresh_token": refresh_token})
CLIENT_CREDENTIALS = Feature("client credentials", grants={"client_credentials": client_credentials})

USERINFO = Feature(
    "userinfo",
    endpoints=(Endpoint("/userinfo", ("GET", "POST"), userinfo, "access token", "OIDC Core 5.3", cors=True),),
    metadata=lambda settings: {"userinfo_endpoint": f"{settings.issuer}/userinfo"},
)
INTROSPECTION = Feature(
    "introspection",
    endpoints=(Endpoint("/introspect", ("POST",), introspect, "client", "RFC 7662"),),
    metadata=lambda settings: {"introspection_endpoint": f"{settings.issuer}/introspect"},
)
REVOCATION = Feature(
    "revocation",
    endpoints=(Endpoint("/revoke", ("POST",), revoke, "client", "RFC 7009", cors=True),),
    metadata=lambda settings: {"revocation_endpoint": f"{settings.issuer}/revoke"},
)
