"""What the public documents say: computed from the mounted features, so that they cannot promise what is not there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from idp.features.feature import Feature
from idp.protocol import fapi2
from idp.protocol.metadata import merge
from idp.server import Server
from idp.settings import Settings
from idp.web.door import Content, Document

Tell = Callable[[Server, Sequence[Feature]], Mapping[str, Any]]
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
    else:
        announced.pop("prompt_values_supported", None)
    # RFC 8414 2: members about an endpoint that is not there say nothing.
    for endpoint in ("introspection", "revocation", "token", "userinfo"):
        if f"{endpoint}_endpoint" not in announced:
            about = (f"{endpoint}_endpoint_", f"{endpoint}_signing_")
            announced = {name: value for name, value in announced.items() if not name.startswith(about)}
    return fapi2.narrowed(announced) if settings.profile == fapi2.NAME else announced


def documents(server: Server, features: Sequence[Feature], base: str) -> dict[str, Document]:
    """The public documents by path."""

    def discovery(server: Server, features: Sequence[Feature]) -> Mapping[str, Any]:
        current: list[Mapping[str, Any]] = [{"scopes_supported": sorted(server.rules.scopes)}]
        return merge([server.metadata, *current, *(feature.current_metadata(server) for feature in features)])

    def jwks() -> tuple[bytes, str]:
        key_set = server.keyring.key_set
        return key_set.body, key_set.etag

    found: dict[str, Document] = {}
    told: list[tuple[str, Tell]] = [(name, discovery) for name in _WELL_KNOWN]
    told += ((document.name, document.content) for feature in features for document in feature.documents)
    for name, content in told:
        document = Document(_current(server, features, content), max_age=3600)
        found |= dict.fromkeys(places(name, base), document)
    found[f"{base}/.well-known/jwks.json"] = Document(jwks, server.settings.keys.jwks_max_age)
    return found


def places(name: str, base: str) -> tuple[str, ...]:
    """RFC 8414 3.1 puts a well-known name between host and the issuer's path; OpenID Connect puts it behind."""
    return tuple(dict.fromkeys((f"{base}{name}", f"{name}{base}")))


def at_the_root(settings: Settings, features: Sequence[Feature], base: str) -> tuple[str, ...]:
    """Where public documents stand that are not under the issuer's path; empty for an issuer without one."""
    mounted = (feature for feature in features if feature.active(settings))
    names = (*_WELL_KNOWN, *(document.name for feature in mounted for document in feature.documents))
    return tuple(f"{name}{base}" for name in names) if base else ()


def _current(server: Server, features: Sequence[Feature], content: Tell) -> Content:
    """The bytes of ``content`` and their ETag, made again when the registry's epoch moved."""
    cached: dict[int, tuple[bytes, str]] = {}

    def current() -> tuple[bytes, str]:
        epoch = server.registry.epoch
        if epoch not in cached:
            body = msgspec.json.encode(content(server, features))
            cached.clear()
            cached[epoch] = body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return cached[epoch]

    return current
