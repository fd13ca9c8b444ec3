"""How clients prove who they are: what is listed here is announced for every endpoint that asks for it."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.web.client_authentication import prove_nothing, prove_secret
from idp.web.private_key_jwt import ALGORITHMS, prove_key

CLIENT_SECRET = Feature(
    "client secret",
    client_authentication={"client_secret_basic": prove_secret, "client_secret_post": prove_secret},
)
PUBLIC_CLIENTS = Feature("public clients", client_authentication={"none": prove_nothing})
PRIVATE_KEY_JWT = Feature(
    "private_key_jwt",
    client_authentication={"private_key_jwt": prove_key},
    metadata=lambda settings: {
        f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS)
        for endpoint in ("token", "introspection", "revocation")
    },
)
