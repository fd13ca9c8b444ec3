"""How clients prove who they are: what is listed here is announced for every endpoint that asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idp.features.feature import Feature
from idp.web import client_secret_jwt, private_key_jwt
from idp.web.client_authentication import prove_nothing, prove_secret


def _signed_with(algorithms: Sequence[str]) -> Mapping[str, Any]:
    return {
        f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(algorithms)
        for endpoint in ("token", "introspection", "revocation")
    }


CLIENT_SECRET = Feature(
    "client secret",
    client_authentication={"client_secret_basic": prove_secret, "client_secret_post": prove_secret},
)
PUBLIC_CLIENTS = Feature("public clients", client_authentication={"none": prove_nothing})
PRIVATE_KEY_JWT = Feature(
    "private_key_jwt",
    client_authentication={"private_key_jwt": private_key_jwt.prove_key},
    metadata=lambda settings: _signed_with(private_key_jwt.ALGORITHMS),
)
CLIENT_SECRET_JWT = Feature(
    "client_secret_jwt",
    client_authentication={"client_secret_jwt": client_secret_jwt.prove_mac},
    metadata=lambda settings: _signed_with(client_secret_jwt.ALGORITHMS),
)
