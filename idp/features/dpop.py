"""Tokens that only their key's holder can use: demonstrated proof of possession (RFC 9449)."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.protocol.dpop import check
from idp.web.dpop import DPOP as BINDING
from idp.web.dpop import accepted_algorithms

DPOP = Feature(
    "DPoP",
    bindings=(BINDING,),
    checks=(check,),
    metadata=lambda settings: {"dpop_signing_alg_values_supported": list(accepted_algorithms(settings))},
)
