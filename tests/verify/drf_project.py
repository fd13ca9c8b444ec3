"""A Django REST framework project that answers the requests it reads from standard input, a line of JSON each.

    python drf_project.py '{"ISSUER": ..., "AUDIENCE": ..., "JWKS": ...}'

A line holds settings to be changed for this request (``null`` unsets one), method, path and headers; the answer holds
status, headers and body. What was logged at DEBUG meanwhile is the header ``x-logged``.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import django
from django.conf import settings
from django.test import Client, override_settings
from django.urls import path

from idp.verify import Dpop, MemoryReplays

NOW = 1_764_000_000.0
GIVEN = {**json.loads(sys.argv[1]), "CLOCK": lambda: NOW}
REPLAYS = MemoryReplays(lambda: NOW)
LOGGED: list[str] = []


class Kept(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        LOGGED.append(self.format(record))


def known_person(token: Any) -> Any:
    from types import SimpleNamespace

    people = {"alice": SimpleNamespace(pk="row 7", is_active=True), "mallory": SimpleNamespace(pk="8", is_active=False)}
    return people.get(token.subject)


def urls() -> list[Any]:
    from rest_framework.authentication import SessionAuthentication
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from idp.verify.drf import TokenAuthentication, requires, requires_by_method

    class Hello(APIView):
        def get(self, request: Any) -> Response:
            return Response({"sub": request.user.pk})

    class Signed(Hello):
        authentication_classes = (SessionAuthentication, TokenAuthentication)

    fresh = requires(acr_values=["gold"], max_age=300)
    permissions = {
        "read": [requires("read")],
        "write": [requires("write", "admin")],
        "fresh": [fresh],
        "twice": [requires(), requires("read")],
        "twice-fresh": [requires(), fresh],
        "method": [requires_by_method(GET="read")],
        "other": [requires_by_method(POST="read")],
    }
    signed = path("signed", Signed.as_view(permission_classes=permissions["write"]))
    return [signed, *(path(name, Hello.as_view(permission_classes=found)) for name, found in permissions.items())]


def answered(changed: dict[str, Any], method: str, address: str, headers: list[list[str]]) -> list[Any]:
    LOGGED.clear()
    dpop = Dpop(required=changed.pop("DPOP_REQUIRED", False), replays=REPLAYS)
    given = {name: value for name, value in {**GIVEN, "DPOP": dpop, **changed}.items() if value is not None}
    # A server folds a header that came twice into one (RFC 9110 section 5.3).
    folded: dict[str, str] = {}
    for name, value in headers:
        folded[name] = f"{folded[name]},{value}" if name in folded else value
    with override_settings(TOKEN_VERIFIER=given):
        found = Client().generic(method, address, headers=folded)
    body = json.loads(found.content) if found.content else None
    seen = {name.lower(): value for name, value in found.headers.items()} | {"x-logged": "\n".join(LOGGED)}
    return [found.status_code, seen, body]


def main() -> None:
    logging.getLogger().addHandler(Kept())
    logging.getLogger().setLevel(logging.DEBUG)
    settings.configure(
        SECRET_KEY="not-used-for-any-token",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": ["idp.verify.drf.TokenAuthentication"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        },
        LOGGING_CONFIG=None,
    )
    django.setup()
    globals()["urlpatterns"] = urls()
    for line in sys.stdin:
        print(json.dumps(answered(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
