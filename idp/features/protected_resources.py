"""The issuer as a protected resource (RFC 9728): what UserInfo's tokens are for, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idp.features.feature import Feature, PublicDocument
from idp.protocol.metadata import merge
from idp.server import Server
from idp.web.protected_resources import WELL_KNOWN


def _content(server: Server, features: Sequence[Feature]) -> Mapping[str, Any]:
    own = {
        "resource": server.issuer,
        "authorization_servers": [server.issuer],
        "scopes_supported": sorted(server.rules.scopes),
        "bearer_methods_supported": ["header", "body"],
        "resource_name": "UserInfo",
    }
    return merge([own, *(feature.resource_metadata(server.settings) for feature in features)])


def _announced(server: Server) -> Mapping[str, Any]:
    """Identifiers are addresses (RFC 9728 1.2); a resource of another kind has no document that could be looked for."""
    if not server.settings.announce_resources:
        return {}
    return {"protected_resources": sorted(uri for uri in server.rules.resources if uri.startswith(("https:", "http:")))}


PROTECTED_RESOURCES = Feature(
    "protected resource metadata",
    documents=(PublicDocument(WELL_KNOWN, _content, "RFC 9728 3"),),
    metadata=lambda settings: {"protected_resources": [settings.issuer]},
    current_metadata=_announced,
)
