"""Implicit and hybrid flows (OpenID Connect Core 3.2, 3.3): off unless the settings want them (RFC 9700 2.1.2).

``token`` alone is not among them: it signs nobody in, and a code with PKCE gets the same token to the same place.
"""

from __future__ import annotations

from idp.features.feature import Feature
from idp.protocol.front_channel import RESPONSE_TYPES, id_token_rules, without_offline_access

IMPLICIT_AND_HYBRID = Feature(
    "implicit and hybrid",
    response_types=RESPONSE_TYPES,
    checks=(id_token_rules, without_offline_access),
    # Announced, and no grant of the token endpoint: nothing can be redeemed under this name.
    metadata=lambda settings: {"grant_types_supported": ["implicit"]},
    active=lambda settings: settings.implicit_and_hybrid,
)
