"""Signed UserInfo and signed introspection: other forms of two answers, for whoever registered or asks for them."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.web.answers import OtherForm
from idp.web.signed_answers import (
    signed_introspection,
    signed_userinfo,
    wants_signed_introspection,
    wants_signed_userinfo,
)

SIGNED_USERINFO = Feature(
    "signed userinfo",
    answers={"userinfo": OtherForm(wants_signed_userinfo, signed_userinfo)},
    metadata=lambda settings: {"userinfo_signing_alg_values_supported": list(settings.keys.algorithms)},
)
JWT_INTROSPECTION = Feature(
    "jwt introspection",
    answers={"introspection": OtherForm(wants_signed_introspection, signed_introspection)},
    metadata=lambda settings: {"introspection_signing_alg_values_supported": list(settings.keys.algorithms)},
)
