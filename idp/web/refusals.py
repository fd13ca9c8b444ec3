"""Telling both sides of a refusal: a safe sentence for the asker, the whole story for the operator, one id for both."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from idp.keyring import KeyringError
from idp.protocol.errors import Busy, NotYet, Refused, Shown, Throttled, visible, without_issued
from idp.store.audit import record_refusal
from idp.store.database import Unavailable
from idp.web.context import locale_of, server_of, web_of
from idp.web.correlation import correlation_id
from idp.web.forms import json_response, refusal_response
from idp.web.pages import Problem

log = logging.getLogger("idp.refusals")


def tell_operator(http: Request, refusal: Refused, client_id: str | None = None) -> str:
    """Log rule, received, expected and mend; count it. Answers the correlation id."""
    server = server_of(http)
    number = correlation_id(http)
    story = " | ".join(f"{name}: {text}" for name, text in refusal.story().items())
    server.meters.refusal(refusal.error)
    where = visible(without_issued(http.scope["path"]))
    log.info(
        "refused %s %s | id: %s | client: %s | %s",
        http.method,
        where,
        number,
        client_id or "-",
        story,
        extra={"fields": {"error": refusal.error}},
    )
    if not http.scope.get("idp.proved"):
        server.journal.count("requests.refused", client_id or "", refusal.error)
    return number


async def on_refused(http: Request, error: Exception) -> Response:
    """Programs get JSON (RFC 6749 5.2); people get the page."""
    if isinstance(error, Shown):
        return show(http, error)
    if not isinstance(error, Refused):
        raise error
    if isinstance(error, NotYet):
        return refusal_response(error)
    client = http.scope.get("idp.client")
    number = tell_operator(http, error, client.client_id if client else None)
    asks_back = error.error == "use_dpop_nonce"  # how every exchange of nonces begins, no mistake of anybody's
    if client is not None and http.scope.get("idp.proved") and not asks_back:
        server, path = server_of(http), http.scope["path"]
        try:
            await server.database.write(
                record_refusal, server.journal, server.now(), client.client_id, error.error, path, number
            )
        except Unavailable as lost:
            return await on_busy(http, lost)  # what cannot be recorded is not decided either
    response = refusal_response(error)
    response.headers["X-Correlation-Id"] = number
    return response


def show(http: Request, refusal: Refused) -> Response:
    web = web_of(http)
    number = tell_operator(http, refusal)
    developer = None
    if web.server.dev:
        developer = Problem(refusal.rule, refusal.received, refusal.expected, refusal.mend)
    return web.pages.page(
        "error",
        locale=locale_of(http, http.query_params.get("ui_locales")),
        status=refusal.status,
        code=refusal.error,
        sentence=refusal.description,
        correlation_id=number,
        developer=developer,
    )


async def on_busy(http: Request, error: Exception) -> Response:
    """503 with Retry-After: nothing has changed, asking again is right."""
    seconds = error.retry_after if isinstance(error, Busy) else 1
    if isinstance(error, (Unavailable, KeyringError)):
        log.error("unavailable: %s", error)
    if "text/html" in http.headers.get("accept", ""):
        return web_of(http).pages.page("busy", locale=locale_of(http), retry_after=seconds)
    members = {"error": "temporarily_unavailable", "error_description": "The server is busy; ask again shortly."}
    return json_response(members, 503, {"Retry-After": str(seconds)})


async def on_throttled(http: Request, error: Exception) -> Response:
    """429 with Retry-After, where no page of its own says it."""
    seconds = error.retry_after if isinstance(error, Throttled) else 1
    if "text/html" in http.headers.get("accept", ""):
        return web_of(http).pages.page("busy", locale=locale_of(http), status=429, retry_after=seconds)
    members = {"error": "temporarily_unavailable", "error_description": "Too many tries failed; ask again later."}
    return json_response(members, 429, {"Retry-After": str(seconds)})


async def on_gone(http: Request, error: Exception) -> Response:
    """The client left in the middle of its body: nobody reads this answer."""
    return Response(status_code=400)


async def on_fault(http: Request, error: Exception) -> Response:
    """A fault of ours: 500 that says nothing but the id under which the log holds it."""
    number = correlation_id(http)
    where = visible(without_issued(http.scope["path"]))
    log.error("fault %s %s | id: %s", http.method, where, number, exc_info=error)
    if "text/html" in http.headers.get("accept", ""):
        return web_of(http).pages.page(
            "error", locale=locale_of(http), status=500, code="server_error", correlation_id=number
        )
    members = {"error": "server_error", "error_description": "The server failed; the operator finds it by the id."}
    return json_response(members, 500, {"X-Correlation-Id": number})


async def on_http_error(http: Request, error: Exception) -> Response:
    """404, 405, 413 and their like, as a page for people and one line for programs."""
    status = getattr(error, "status_code", 500)
    headers = dict(getattr(error, "headers", None) or {})
    words = {
        404: "There is nothing at this address.",
        405: "This address does not take that method.",
        413: "Too large.",
    }
    text = words.get(status, "The request could not be done.")
    if "text/html" in http.headers.get("accept", ""):
        refusal = Shown(
            "not_found" if status == 404 else "invalid_request",
            text,
            rule=f"RFC 9110 15.5: {status}",
            received=visible(f"{http.method} {http.scope['path']}"),
            expected=headers.get("Allow") or "an address, a method and a size this server takes",
            mend="idp routes lists what there is.",
            status=status,
        )
        page = show(http, refusal)
        page.headers.update(headers)
        return page
    if status == 405 or http.scope["path"].endswith("/"):
        return PlainTextResponse(text + "\n", status, headers)
    return json_response({"error": "invalid_request", "error_description": text}, status, headers)
