"""The device authorization grant (RFC 8628): sign-in on a screen without a keyboard, or a shell without a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.features.authorization import LOGIN
from idp.features.feature import Endpoint, Feature
from idp.features.tokens import TOKEN, token_endpoint
from idp.grants.device import device_code
from idp.protocol.device import GRANT_TYPE
from idp.settings import Settings
from idp.web.device import enter_page, enter_submit
from idp.web.device_authorization import device_authorization
from idp.web.device_confirm import confirm_page, confirm_submit


def _metadata(settings: Settings) -> Mapping[str, Any]:
    address = f"{settings.issuer}/device_authorization"
    return {**token_endpoint(settings), "device_authorization_endpoint": address}


DEVICE = Feature(
    "device flow",
    endpoints=(
        TOKEN,
        Endpoint("/device_authorization", ("POST",), device_authorization, "client", "RFC 8628 3.1"),
        Endpoint("/device", ("GET",), enter_page, "person", "RFC 8628 3.3"),
        Endpoint("/device", ("POST",), enter_submit, "person", "RFC 8628 3.3"),
        Endpoint("/device/confirm", ("GET",), confirm_page, "person", "RFC 8628 3.3"),
        Endpoint("/device/confirm", ("POST",), confirm_submit, "person", "RFC 8628 3.3"),
        *LOGIN,
    ),
    grants={GRANT_TYPE: device_code},
    metadata=_metadata,
)
