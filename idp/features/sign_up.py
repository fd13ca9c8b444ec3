"""People who make an account by themselves (Initiating User Registration via OpenID Connect 1.0)."""

from __future__ import annotations

from idp.features.authorization import BROWSER
from idp.features.feature import Endpoint, Feature
from idp.web.sign_up import sign_up_page, sign_up_submit

_SOURCE = "OIDC Prompt Create 4"

SIGN_UP = Feature(
    "sign-up",
    endpoints=(
        Endpoint("/sign-up", ("GET",), sign_up_page, BROWSER, _SOURCE),
        Endpoint("/sign-up", ("POST",), sign_up_submit, BROWSER, _SOURCE),
    ),
    prompts=("create",),
    metadata=lambda settings: {"prompt_values_supported": ["create"]},
    active=lambda settings: settings.sign_up.open,
)
