"""Pushed authorization requests (RFC 9126)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.features.feature import Endpoint, Feature
from idp.protocol.pushed import pushed_if_required
from idp.settings import Settings
from idp.web.pushed import pushed, read_pushed


def _metadata(settings: Settings) -> Mapping[str, Any]:
    return {
        "pushed_authorization_request_endpoint": f"{settings.issuer}/par",
        "require_pushed_authorization_requests": settings.require_pushed_authorization_requests,
    }


PUSHED_REQUESTS = Feature(
    "pushed authorization requests",
    endpoints=(Endpoint("/par", ("POST",), pushed, "client", "RFC 9126", cors=True),),
    sources=(read_pushed,),
    checks=(pushed_if_required,),
    metadata=_metadata,
)
