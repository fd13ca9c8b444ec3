"""The claims parameter (OpenID Connect Core 5.5): claims asked for one by one, in UserInfo or in the ID token."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.protocol.asking import claims

CLAIMS_PARAMETER = Feature(
    "claims parameter",
    checks=(claims,),
    metadata=lambda settings: {"claims_parameter_supported": True},
)
