"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from idp.features.feature import Endpoint, Feature
from idp.web.logout import logged_out, logout

LOGGED_OUT = Endpoint("/logged-out", ("GET",), logged_out, "nobody", "RP-Initiated Logout 1.0 section 3")

LOGOUT = Feature(
    "rp-initiated logout",
    endpoints=(
        Endpoint("/logout", ("GET", "POST"), logout, "person", "RP-Initiated Logout 1.0 section 2"),
        LOGGED_OUT,
    ),
    metadata=lambda settings: {"end_session_endpoint": f"{settings.issuer}/logout"},
)
