"""The authorization endpoint (RFC 6749 3.1, OIDC Core 3.1.2): a dispatcher whose pages only ever come home to it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.client_documents import DocumentClient
from idp.protocol.errors import Refused, Sent, Shown
from idp.protocol.fapi2 import code_lifetime
from idp.protocol.parameters import Parameters
from idp.protocol.prompts import AskConsent, CreateAccount, Facts, Issue, Login, Refuse, SelectAccount, Step, next_step
from idp.protocol.pushed import bad_handle
from idp.protocol.request import Asked, AuthorizationRequest, Target, as_sent, find_target, validate
from idp.store.authorization import NewCode, issue_code
from idp.store.sessions import Known, know
from idp.web import interaction
from idp.web.client_documents import note_document
from idp.web.context import Web, network_of, see_other, server_of, web_of
from idp.web.delivery import ToClient, deliver, refused
from idp.web.forms import read_form, read_query
from idp.web.front_channel import members_of
from idp.web.hints import read_hint
from idp.web.interaction import Waiting, send_to, waiting_of


async def authorize(http: Request) -> Response:
    """GET: decide now. POST never reads the session, which a cross-site POST does not carry: it comes back as GET."""
    if http.method == "POST":
        asked = await asked_of(http, await read_as_page(http))
        target = await target_of(http, asked)
        try:
            validated(http, asked, target)
        except Sent as refusal:
            return await refused(http, target, refusal)
        server = server_of(http)
        # Nothing here is bound to a browser yet: like the parameters of a GET, it may be anyone's.
        sealed = server.seal(_POSTED, Waiting(tuple(asked.sent.pairs()), server.now(), "", "", via=_via(asked)))
        return see_other(f"{web_of(http).path('/authorize')}?t={sealed}")
    posted = _posted(http)
    if posted is not None:
        return await advance(http, await asked_again(http, posted), None)
    return await advance(http, await asked_of(http, query_as_page(http)), None)


async def resume(http: Request) -> Response:
    """Where every page comes home to: the same decision with what the page has settled."""
    waiting = waiting_of(http, http.query_params.get("t"))
    return await advance(http, await asked_again(http, waiting), waiting)


async def advance(http: Request, asked: Asked, waiting: Waiting | None) -> Response:
    """Decide the next step and do it: a page, an error to the client, or a code."""
    target = await target_of(http, asked)
    try:
        request = validated(http, asked, target)
        known = await known_of(http, request)
        step = next_step(request, facts_of(known, waiting), server_of(http).now())
        if isinstance(step, Refuse):
            raise _refusal(step)
    except Sent as refusal:
        return await refused(http, target, refusal)
    if isinstance(step, Issue) and known is not None:
        return await issue(http, request, known, waiting)
    return _to_page(http, step, asked, waiting)


def _refusal(step: Refuse) -> Sent:
    if step.error == "unmet_authentication_requirements":
        return Sent(
            step.error,
            "No sign-in here reaches the acr that is asked for.",
            rule="OpenID Connect Core 5.5.1.1, RFC 9470 5",
            received=step.reason,
            expected="one of acr_values_supported in discovery",
            mend="Ask for another acr, or give the methods of a sign-in that acr in the setting acr.",
        )
    return Sent(
        step.error,
        "The person has to act first.",
        rule="OpenID Connect Core 3.1.2.6",
        received=step.reason,
        expected="the right person signed in, who allowed this app before, so that no page is needed",
        mend="Send the request again without prompt=none, and let the person answer the page.",
    )


async def asked_of(http: Request, parameters: Parameters, via: Iterable[str] = (), began: float | None = None) -> Asked:
    """What is asked, whichever source it stands in; ``began`` as in ``Source``. Raises Shown, or ToClient."""
    server = server_of(http)
    since = server.now() if began is None else began
    asked = Asked.plainly(parameters, via, since)
    try:
        for source in http.app.state.sources:
            asked = await source(server, asked, since)
    except Shown:
        raise
    except Refused as refusal:
        # The source itself cannot be read, so what stands beside it has to name a good target, or the person is told.
        try:
            target = await target_of(http, asked)
        except Shown:
            raise as_shown(refusal) from None
        raise ToClient(target, as_sent(refusal)) from None
    return asked


async def asked_again(http: Request, waiting: Waiting) -> Asked:
    """The request a page was opened for, as it stands now."""
    return await asked_of(http, waiting.parameters, waiting.via, waiting.begun)


async def target_of(http: Request, asked: Asked) -> Target:
    """Client and redirect URI, or Shown: from here on errors may be sent there."""
    try:
        client = await server_of(http).client(asked.parameters.get("client_id"), lambda: network_of(http))
    except Refused as refusal:
        raise as_shown(refusal) from None
    return find_target(asked.parameters, client)


def validated(http: Request, asked: Asked, target: Target) -> AuthorizationRequest:
    """Every value checked. Raises Sent."""
    server = server_of(http)
    request = validate(asked, target, server.rules, server.checks)
    hint_text = asked.parameters.get("id_token_hint")
    if hint_text is None:
        return request
    hint = read_hint(server, hint_text, target.client.client_id)
    if hint is None and "none" in request.prompt:
        raise Sent(
            "login_required",
            "The id_token_hint cannot be read.",
            rule="OpenID Connect Core 3.1.2.1",
            received="an id_token_hint that does not verify, or belongs to another client",
            expected=f"an ID token this server issued to {target.client.client_id}",
            mend="Send the last ID token the client received, or leave id_token_hint out.",
        )
    return request if hint is None else msgspec.structs.replace(request, hint=hint)


async def known_of(http: Request, request: AuthorizationRequest) -> Known | None:
    web = web_of(http)
    cookie = web.session_cookie.read(http.headers.raw)
    if cookie is None:
        return None
    server = web.server
    idle = server.settings.lifetimes.session_idle
    asked = cookie, request.client.client_id, server.now(), idle
    known = await server.database.read(know, *asked)
    hooks = server.hooks
    if known is not None and hooks.people is not None and await hooks.people.changed(server, known.account.id):
        known = await server.database.read(know, *asked)
    if known is None:
        return None
    if hooks.consent is not None:
        before = known.consent is not None and known.consent.covers(request)
        known = msgspec.structs.replace(known, policy=await hooks.consent(request, known.account, before))
    if request.client.subject_type == "public":
        return known
    return msgspec.structs.replace(known, subject=server.subject_of(request.client, known.account.id))


def facts_of(known: Known | None, waiting: Waiting | None, *, consented: bool = False) -> Facts:
    return Facts(
        session=known.session if known else None,
        account=known.account if known else None,
        consent=known.consent if known else None,
        signed_in=waiting.signed_in if waiting else None,
        chosen=waiting.chosen if waiting else None,
        consented=consented,
        subject=known.subject if known else None,
        account_wish=waiting.account if waiting else None,
        policy=known.policy if known else None,
    )


async def issue(
    http: Request, request: AuthorizationRequest, known: Known, waiting: Waiting | None, *, consented: bool = False
) -> Response:
    """One transaction writes grant, code, consent and sid; the answer leaves once it is durable."""
    server = server_of(http)
    lifetimes = server.settings.lifetimes
    new = NewCode(
        request=request,
        known=known,
        code=f"ac.{server.random_id(32)}" if request.wants("code") else None,
        grant_id=server.random_id(16),
        sid=server.random_id(16),
        now=server.now(),
        code_lifetime=code_lifetime(request.client, lifetimes.code),
        grant_lifetime=lifetimes.refresh_absolute,
        transaction=waiting.transaction if waiting else None,
        transaction_expires_at=waiting.expires_at if waiting else 0.0,
        consented=consented,
        remember=request.client.remembers_consent,
        acr=server.rules.levels.told(known.session.amr, request.acr.values if request.acr else ()),
    )
    sid = await server.database.write(issue_code, server.journal, new)
    if sid is None:
        raise used(request)
    if isinstance(request.client, DocumentClient):
        await note_document(server, request.client)
    else:
        server.redirect_uses.note(request.client, request.target.redirect_uri, new.now)
    return await deliver(http, request.target, await members_of(server, new, sid))


def used(request: AuthorizationRequest) -> Exception:
    """Why there is no second answer: the page had its own, or what was asked did."""
    if request.once is None:
        return used_page()
    if request.once.kind == "pushed request":
        return bad_handle("a request_uri that has had its answer")
    return ToClient(
        request.target,
        Sent(
            "invalid_request_object",
            "This request object was answered before.",
            rule="RFC 7519 4.1.7: a jti names one token",
            received="a jti that has had its answer",
            expected="a fresh jti for every request, or none",
            mend="Sign a new object for every sign-in.",
        ),
    )


def used_page() -> Shown:
    return Shown(
        "expired",
        "This page was already answered.",
        rule="each request is answered once",
        received="a second answer",
        expected="one answer",
        mend="Go back to the app and start again.",
    )


def _to_page(http: Request, step: Step, asked: Asked, waiting: Waiting | None) -> Response:
    web: Web = web_of(http)
    fresh = None
    if waiting is None:
        waiting, fresh = interaction.begin(http, asked.sent, via=_via(asked), begun=asked.began)
    pages = {CreateAccount: "/sign-up", Login: "/login", SelectAccount: "/select-account", AskConsent: "/consent"}
    return send_to(web, pages[type(step)], waiting, fresh)


_POSTED = "posted authorization request"


def _via(asked: Asked) -> tuple[str, ...]:
    return tuple(sorted(asked.via))


def _posted(http: Request) -> Waiting | None:
    if not http.scope["query_string"].startswith(b"t="):
        return None
    sealed = http.query_params["t"]
    server = server_of(http)
    posted = server.unseal(_POSTED, sealed, Waiting)
    if posted is None or server.now() > posted.begun + 300:
        raise used_page()
    return posted


def query_as_page(http: Request) -> Parameters:
    """The query of an address people are sent to: what is wrong with it is shown."""
    try:
        return read_query(http)
    except Refused as refusal:
        raise as_shown(refusal) from None


async def read_as_page(http: Request) -> Parameters:
    """A form posted to a page or the authorization endpoint: what is wrong with it is shown, not answered as JSON."""
    try:
        return await read_form(http)
    except Refused as refusal:
        raise as_shown(refusal) from None


def as_shown(refusal: Refused) -> Shown:
    story = {name: getattr(refusal, name) for name in ("rule", "received", "expected", "mend", "status")}
    return Shown(refusal.error, refusal.description, **story)
