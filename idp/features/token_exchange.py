"""Token exchange (RFC 8693): services that act for people, each time for less."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.features.tokens import TOKEN, token_endpoint
from idp.grants.token_exchange import token_exchange
from idp.protocol.token_exchange import GRANT_TYPE

TOKEN_EXCHANGE = Feature(
    "token exchange",
    endpoints=(TOKEN,),
    grants={GRANT_TYPE: token_exchange},
    metadata=token_endpoint,
)
