"""How strong a sign-in has to be: ``acr_values`` (OpenID Connect Core 5.5.1.1) and step-up (RFC 9470)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.features.feature import Feature
from idp.protocol.acr import SIGN_IN, Levels
from idp.protocol.asking import acr
from idp.settings import Settings


def _metadata(settings: Settings) -> Mapping[str, Any]:
    """What a sign-in here can reach: a level that nobody reaches is no promise."""
    return {"acr_values_supported": sorted(set(Levels.of(settings.acr).met_by(SIGN_IN)))}


# Behind the claims parameter, whose acr it takes into account.
STEP_UP = Feature("step-up", checks=(acr,), metadata=_metadata)
