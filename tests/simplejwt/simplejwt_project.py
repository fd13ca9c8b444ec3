"""A Django REST framework project as a course would write it; its settings are what this test is about.

Configured once per process: Django allows no second time.
"""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings


def simple_jwt(issuer: str, audience: str) -> dict[str, Any]:
    """All a project sets to accept our tokens, djangorestframework-simplejwt otherwise as installed."""
    return {
        "ALGORITHM": "RS256",
        "JWK_URL": f"{issuer}/.well-known/jwks.json",
        "ISSUER": issuer,
        "AUDIENCE": audience,
        "USER_ID_CLAIM": "sub",
        "TOKEN_TYPE_CLAIM": None,
        "LEEWAY": 30,
    }


def configure(issuer: str, audience: str) -> None:
    """Start the project. ``/whoami`` answers who a token is about; nothing else is there."""
    settings.configure(
        SECRET_KEY="not-used-for-any-token",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF="simplejwt_urls",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [
                "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"
            ],
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
            "UNAUTHENTICATED_USER": None,
        },
        SIMPLE_JWT=simple_jwt(issuer, audience),
    )
    django.setup()
