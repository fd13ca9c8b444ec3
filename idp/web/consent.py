"""The consent and select-account pages: what is shown is sealed into the form, so only that can be answered."""

from __future__ import annotations

import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.claims import claims_of_scope
from idp.protocol.claims import known_of as claims_of_account
from idp.protocol.errors import Sent, Shown, visible
from idp.protocol.prompts import AskConsent, Issue, next_step
from idp.protocol.request import AuthorizationRequest
from idp.store.authorization import deny
from idp.store.sessions import Known
from idp.web.authorize import facts_of, issue, known_of, read_as_page, used
from idp.web.context import locale_of, web_of
from idp.web.delivery import refused
from idp.web.interaction import Waiting, seal_form, send_to, waiting_of, waiting_of_form
from idp.web.login import asker_of, request_of
from idp.web.pages import SINGLE, Account, Resource, Scope


async def consent_page(http: Request) -> Response:
    web = web_of(http)
    waiting = waiting_of(http, http.query_params.get("t"))
    request = await request_of(http, waiting)
    if isinstance(request, Response):
        return request
    known = await known_of(http, request)
    if known is None or not isinstance(next_step(request, facts_of(known, waiting), web.server.now()), AskConsent):
        return send_to(web, "/authorize/resume", waiting)
    shown = msgspec.structs.replace(waiting, shown_to=known.session.id)
    resources = web.server.registry.resources
    return web.pages.page(
        "consent",
        locale=locale_of(http, " ".join(request.ui_locales)),
        action=web.path("/consent"),
        t=seal_form(web, "consent", shown),
        client=asker_of(request.client),
        account=account_of(known),
        scopes=_scopes(http, request, known),
        redirect_uri=request.target.redirect_uri,
        resources=tuple(Resource(uri, resources[uri].name) for uri in request.resources if uri in resources),
    )


async def consent_submit(http: Request) -> Response:
    """Grants exactly what the form was made for, to the person it was shown to, once (CN-01, CN-09, SE-07)."""
    web = web_of(http)
    form = await read_as_page(http)
    waiting = waiting_of_form(http, form, "consent")
    request = await request_of(http, waiting)
    if isinstance(request, Response):
        return request
    known = await known_of(http, request)
    if known is None or known.session.id != waiting.shown_to:
        return send_to(web, "/authorize/resume", waiting)
    decision = form.get("decision")
    if decision == "deny":
        return await _deny(http, request, known, waiting)
    if decision != "allow":
        raise Shown(
            "invalid_request",
            "The form holds no decision.",
            rule="only the person decides",
            received=f"decision {visible(decision or '(none)')}",
            expected="decision=allow or decision=deny",
            mend="Go back and use one of the two buttons.",
        )
    step = next_step(request, facts_of(known, waiting, consented=True), web.server.now())
    if not isinstance(step, Issue):
        return send_to(web, "/authorize/resume", waiting)
    return await issue(http, request, known, waiting, consented=True)


async def select_page(http: Request) -> Response:
    web = web_of(http)
    waiting = waiting_of(http, http.query_params.get("t"))
    request = await request_of(http, waiting)
    if isinstance(request, Response):
        return request
    known = await known_of(http, request)
    if known is None:
        return send_to(web, "/login", waiting)
    return web.pages.page(
        "select-account",
        locale=locale_of(http, " ".join(request.ui_locales)),
        action=web.path("/select-account"),
        t=seal_form(web, "select-account", msgspec.structs.replace(waiting, shown_to=known.session.id)),
        account=account_of(known),
        client=asker_of(request.client),
    )


async def select_submit(http: Request) -> Response:
    """One account a browser: this one, or another, which signs in and takes its place."""
    web = web_of(http)
    form = await read_as_page(http)
    waiting = waiting_of_form(http, form, "select-account")
    if form.get("choice") == "current":
        return send_to(web, "/authorize/resume", msgspec.structs.replace(waiting, chosen=waiting.shown_to))
    return send_to(web, "/login", waiting)


def account_of(known: Known) -> Account:
    name = known.account.claims.get("name")
    return Account(known.account.username, name if isinstance(name, str) else "")


def scopes_of(http: Request, scope: tuple[str, ...], known: Known) -> tuple[Scope, ...]:
    """Each scope with exactly what it would tell the client of this person."""
    added = web_of(http).server.registry.scopes
    told = claims_of_account(known.account)
    lines = []
    for word in scope:
        own = added.get(word)
        data = {name: _plain(name, told[name]) for name in claims_of_scope(word, added) if name in told}
        lines.append(Scope(word, description=own.description if own else "", data=data))
    return tuple(lines)


def _scopes(http: Request, request: AuthorizationRequest, known: Known) -> tuple[Scope, ...]:
    lines = scopes_of(http, request.scope, known)
    if request.claims is not None and request.claims.beyond:
        told = claims_of_account(known.account)
        # What the account lacks is told too: it may have it tomorrow, and is not asked again then.
        single = {name: _plain(name, told.get(name, "")) for name in request.claims.beyond}
        lines = (*lines, Scope(SINGLE, data=single))
    return lines


def _plain(name: str, value: object) -> str | bool:
    """A claim as people read it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return str(value.get("formatted") or ", ".join(str(part) for part in value.values()))
    if name == "updated_at" and isinstance(value, (int, float)):
        return datetime.datetime.fromtimestamp(value, datetime.UTC).date().isoformat()
    return str(value)


async def _deny(http: Request, request: AuthorizationRequest, known: Known, waiting: Waiting) -> Response:
    server = web_of(http).server
    client_id, account_id = request.client.client_id, known.account.id
    spent = waiting.transaction, waiting.expires_at
    if not await server.database.write(
        deny, server.journal, *spent, client_id, server.now(), account_id, once=request.once
    ):
        raise used(request)
    refusal = Sent("access_denied", "The person said no.", rule="RFC 6749 4.1.2.1", received="decision deny")
    return await refused(http, request.target, refusal)
