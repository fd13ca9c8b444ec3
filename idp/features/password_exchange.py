"""The course's bridge: djangorestframework-simplejwt's JSON endpoints, deprecated from birth (docs/divergences.md)."""

from __future__ import annotations

from idp.features.feature import Endpoint, Feature
from idp.web.password_exchange import obtain, refresh, verify

_SOURCE = "djangorestframework-simplejwt; RFC 9700 2.4 rules it out"

PASSWORD_EXCHANGE = Feature(
    "password exchange",
    endpoints=(
        Endpoint("/api/token/", ("POST",), obtain, "person", _SOURCE),
        Endpoint("/api/token/refresh/", ("POST",), refresh, "person", _SOURCE),
        Endpoint("/api/token/verify/", ("POST",), verify, "nobody", _SOURCE),
    ),
    active=lambda settings: settings.password_exchange_client is not None,
)
