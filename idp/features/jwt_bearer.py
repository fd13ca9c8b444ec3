"""JWT bearer assertions as authorization grants (RFC 7523 2.1)."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.features.tokens import TOKEN, token_endpoint
from idp.grants.jwt_bearer import jwt_bearer
from idp.protocol.jwt_bearer import GRANT_TYPE

JWT_BEARER = Feature(
    "jwt bearer",
    endpoints=(TOKEN,),
    grants={GRANT_TYPE: jwt_bearer},
    metadata=token_endpoint,
)
