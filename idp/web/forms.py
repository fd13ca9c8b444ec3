"""Reading what programs and pages send us, and answering programs (RFC 6749 5.1, 5.2)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.errors import Refused, registered_characters, visible
from idp.protocol.parameters import Parameters, parse_parameters

_FORM = "application/x-www-form-urlencoded"
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


async def read_form(http: Request) -> Parameters:
    """The body as parameters, each once. Raises Refused for another content type, with the request that would work."""
    content_type = http.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != _FORM:
        raise _not_a_form(http, content_type, await http.body())
    if http.headers.get("content-encoding", "identity") != "identity":
        raise Refused(
            "invalid_request",
            "Compressed bodies are not read.",
            rule="RFC 9110 8.4: no content coding is offered",
            received=f"Content-Encoding {visible(http.headers['content-encoding'], 40)}",
            expected="no Content-Encoding",
            mend="Send the form as it is; it is small.",
            status=415,
        )
    return parse_parameters(await http.body())


def read_query(http: Request) -> Parameters:
    return parse_parameters(http.scope["query_string"])


def json_response(members: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(members), status, {**NO_STORE, **(headers or {})}, media_type="application/json"
    )


def refusal_response(refusal: Refused) -> Response:
    members = {"error": refusal.error, "error_description": registered_characters(refusal.description)}
    return json_response(members, refusal.status, refusal.headers)


def _not_a_form(http: Request, content_type: str, body: bytes) -> Refused:
    web = http.scope["idp.web"]
    url = web.server.issuer + http.scope["path"].removeprefix(web.base)
    curl = f"curl {url} {_as_form_options(body)}"
    return Refused(
        "invalid_request",
        f"This endpoint reads a form, not {registered_characters(content_type[:40]) or 'an untyped body'}. Try: {curl}",
        rule="RFC 6749 4.1.3: application/x-www-form-urlencoded",
        received=f"Content-Type {content_type[:60] or '(none)'}",
        expected=_FORM,
        mend=curl,
        status=415,
    )


def _as_form_options(body: bytes) -> str:
    """The JSON members someone sent as curl options, their values left out: they may be secrets."""
    try:
        members = json.loads(body) if len(body) < 4096 else {}
    except (ValueError, RecursionError):
        members = {}
    if not isinstance(members, dict) or not members:
        return "-d grant_type=..."
    names = [name for name in members if name.isascii() and name.isidentifier()]
    return " ".join(f"-d {name}={_harmless(name, members[name])}" for name in names[:8])


def _harmless(name: str, value: object) -> str:
    known = name == "grant_type" and isinstance(value, str) and value.replace("_", "").isalpha()
    return str(value)[:40] if known else "..."
