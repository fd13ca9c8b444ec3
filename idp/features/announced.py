"""What the public documents say: computed from the mounted features, so that they cannot promise what is not there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from idp.features.feature import Feature
from idp.protocol.metadata import merge
from idp.server import Server
from idp.settings import Settings
from idp.web.door import Document

_WELL_KNOWN = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


def metadata(settings: Settings, features: Sequence[Feature], grants: Mapping[str, object]) -> dict[str, object]:
    """The members of discovery (OpenID Connect Discovery 3, RFC 8414 2)."""
    methods = [name for feature in features for name in feature.client_authentication]
    confidential = [name for name in methods if name != "none"]
    computed = {
        "issuer": settings.issuer,
        "jwks_uri": f"{settings.issuer}/.well-known/jwks.json",
        "response_types_supported": [name for feature in features for name in feature.response_types],
        "response_modes_supported": [name for feature in features for name in feature.response_modes],
        "grant_types_supported": list(grants),
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": confidential,
        "revocation_endpoint_auth_methods_supported": methods,
    }
    announced = merge([computed, *(feature.metadata(settings) for feature in features)])
    if "authorization_endpoint" in announced:
        # Left out, the second one would mean yes (OpenID Connect Discovery 3).
        for name in ("request_parameter_supported", "request_uri_parameter_supported"):
            announced.setdefault(name, False)
    # RFC 8414 2: members about an endpoint that is not there say nothing.
    for endpoint in ("introspection", "revocation", "token", "userinfo"):
        if f"{endpoint}_endpoint" not in announced:
            about = (f"{endpoint}_endpoint_", f"{endpoint}_signing_")
            announced = {name: value for name, value in announced.items() if not name.startswith(about)}
    return announced


def documents(server: Server, base: str) -> dict[str, Document]:
    """The public documents by path; RFC 8414 3.1 puts its well-known part between host and the issuer's path."""
    cached: dict[int, tuple[bytes, str]] = {}

    def discovery() -> tuple[bytes, str]:
        epoch = server.registry.epoch
        if epoch not in cached:
            scopes = sorted(server.rules.scopes)
            body = msgspec.json.encode({**server.metadata, "scopes_supported": scopes})
            cached.clear()
            cached[epoch] = body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return cached[epoch]

    def jwks() -> tuple[bytes, str]:
        key_set = server.keyring.key_set
        return key_set.body, key_set.etag

    paths = {f"{base}{name}" for name in _WELL_KNOWN} | {f"{name}{base}" for name in _WELL_KNOWN}
    documents = {path: Document(discovery, max_age=3600) for path in paths}
    documents[f"{base}/.well-known/jwks.json"] = Document(jwks, server.settings.keys.jwks_max_age)
    return documents
