"""JWT Secured Authorization Response Mode (JARM): signed answers, so that a client can tell who sent them to whom."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.web.jarm import form_post_jwt, fragment_jwt, jwt, query_jwt

JARM = Feature(
    "JARM",
    response_modes={
        "jwt": jwt,
        "query.jwt": query_jwt,
        "fragment.jwt": fragment_jwt,
        "form_post.jwt": form_post_jwt,
    },
    metadata=lambda settings: {"authorization_signing_alg_values_supported": list(settings.keys.algorithms)},
)
