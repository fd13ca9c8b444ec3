"""Signed request objects (RFC 9101)."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.protocol.request_objects import signed_if_required
from idp.web.private_key_jwt import ALGORITHMS
from idp.web.request_objects import read_object

REQUEST_OBJECTS = Feature(
    "request objects",
    sources=(read_object,),
    checks=(signed_if_required,),
    metadata=lambda settings: {
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": list(ALGORITHMS),
    },
)
