"""Front-channel logout (OpenID Connect Front-Channel Logout 1.0): frames on the page that follows a sign-out."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.web.frontchannel_logout import frames

FRONTCHANNEL_LOGOUT = Feature(
    "front-channel logout",
    logout_frames=frames,
    metadata=lambda settings: {
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
    },
)
