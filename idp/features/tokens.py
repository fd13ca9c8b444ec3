"""The token endpoint's grants, and the endpoints a token is shown to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.features.feature import Endpoint, Feature
from idp.grants.authorization_code import authorization_code
from idp.grants.client_credentials import client_credentials
from idp.grants.refresh_token import refresh_token
from idp.settings import Settings
from idp.web.introspection import introspect
from idp.web.protected_resources import pointing
from idp.web.revocation import revoke
from idp.web.token import token
from idp.web.userinfo import userinfo

# Each grant brings the endpoint along: whichever of them are on, it is there once, and without any it is gone.
TOKEN = Endpoint("/token", ("POST",), token, "client", "RFC 6749 3.2", cors=True)


def token_endpoint(settings: Settings) -> Mapping[str, Any]:
    return {"token_endpoint": f"{settings.issuer}/token"}


AUTHORIZATION_CODE = Feature(
    "authorization code",
    endpoints=(TOKEN,),
    grants={"authorization_code": authorization_code},
    metadata=token_endpoint,
)
REFRESH_TOKEN = Feature(
    "refresh token",
    endpoints=(TOKEN,),
    grants={"refresh_token": refresh_token},
    metadata=token_endpoint,
)
CLIENT_CREDENTIALS = Feature(
    "client credentials",
    endpoints=(TOKEN,),
    grants={"client_credentials": client_credentials},
    metadata=token_endpoint,
)

USERINFO = Feature(
    "userinfo",
    endpoints=(Endpoint("/userinfo", ("GET", "POST"), pointing(userinfo), "access token", "OIDC Core 5.3", cors=True),),
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
