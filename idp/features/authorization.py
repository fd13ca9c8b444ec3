"""The authorization endpoint and the pages its requests may need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.features.feature import Auth, Endpoint, Feature
from idp.protocol.claims import CLAIMS
from idp.settings import Settings
from idp.web.authorize import authorize, resume
from idp.web.consent import consent_page, consent_submit, select_page, select_submit
from idp.web.delivery import fragment, query
from idp.web.login import login_page, login_submit

_PROMPTS = ("none", "login", "consent", "select_account")


def _metadata(settings: Settings) -> Mapping[str, Any]:
    return {
        "authorization_endpoint": f"{settings.issuer}/authorize",
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": list(_PROMPTS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(settings.keys.algorithms),
        "claim_types_supported": ["normal"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", *CLAIMS],
        "ui_locales_supported": ["en", "de"],
        "display_values_supported": ["page"],
    }


BROWSER: Auth = "browser that began"

# The account page brings them along, as it sends people there too.
LOGIN = (
    Endpoint("/login", ("GET",), login_page, BROWSER, "OIDC Core 3.1.2.3"),
    Endpoint("/login", ("POST",), login_submit, BROWSER, "OIDC Core 3.1.2.3"),
)

AUTHORIZATION = Feature(
    "authorization",
    endpoints=(
        Endpoint("/authorize", ("GET", "POST"), authorize, "nobody", "RFC 6749 3.1, OIDC Core 3.1.2"),
        Endpoint("/authorize/resume", ("GET",), resume, BROWSER, "OIDC Core 3.1.2.3"),
        *LOGIN,
        Endpoint("/select-account", ("GET",), select_page, BROWSER, "OIDC Core 3.1.2.1"),
        Endpoint("/select-account", ("POST",), select_submit, BROWSER, "OIDC Core 3.1.2.1"),
        Endpoint("/consent", ("GET",), consent_page, "person", "OIDC Core 3.1.2.4"),
        Endpoint("/consent", ("POST",), consent_submit, "person", "OIDC Core 3.1.2.4"),
    ),
    response_types=("code",),
    prompts=_PROMPTS,
    response_modes={"query": query, "fragment": fragment},
    metadata=_metadata,
)
