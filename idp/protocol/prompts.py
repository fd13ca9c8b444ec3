"""What has to happen next for an authorization request: the whole of OIDC Core 3.1.2.3 and 3.1.2.4 as one decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from idp.protocol.acr import SIGN_IN
from idp.protocol.client import Account
from idp.protocol.request import AuthorizationRequest

Policy = Literal["ask", "skip", "require"]


class Session(msgspec.Struct, frozen=True):
    """A person signed in at one browser. ``id`` is ours and never leaves; times are Unix seconds."""

    id: str
    account_id: str
    auth_time: float
    amr: tuple[str, ...]
    expires_at: float


class Consent(msgspec.Struct, frozen=True):
    """What a person has allowed one client before."""

    scope: frozenset[str]
    resources: frozenset[str]
    claims: frozenset[str] = frozenset()  # asked for one by one

    def covers(self, request: AuthorizationRequest) -> bool:
        return (
            self.scope.issuperset(request.scope)
            and self.resources.issuperset(request.resources)
            and all(name in self.claims or self.scope & scopes for name, scopes in _beyond(request).items())
        )


class Facts(msgspec.Struct, frozen=True):
    """What is known when the decision is taken.

    ``signed_in`` and ``chosen`` name the session that was begun, or picked, for this very request; ``consented`` says
    that the person just allowed exactly this request. ``subject`` is what this client knows the person by. ``policy``
    stands in the place of what the client's registration says of consent.
    """

    session: Session | None
    account: Account | None
    consent: Consent | None
    signed_in: str | None = None
    chosen: str | None = None
    consented: bool = False
    subject: str | None = None
    account_wish: Literal["new", "known"] | None = None  # said on a page: an account to be made, or one there is
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class CreateAccount:
    reason: str


@dataclass(frozen=True, slots=True)
class Login:
    reason: str


@dataclass(frozen=True, slots=True)
class SelectAccount:
    reason: str


@dataclass(frozen=True, slots=True)
class AskConsent:
    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """``error`` is one of the words of OIDC Core 3.1.2.6, or ``unmet_authentication_requirements``."""

    error: str
    reason: str


class Issue(msgspec.Struct, frozen=True):
    session: Session
    account: Account


Step = CreateAccount | Login | SelectAccount | AskConsent | Refuse | Issue


def next_step(request: AuthorizationRequest, facts: Facts, now: float) -> Step:
    """The next page, or the answer. ``prompt=none`` turns each page into its error."""
    if (stranger := _another_person_signed_in(request, facts)) is not None:
        return Refuse("login_required", f"someone else signed in than {stranger} names")
    unmet = _why_unmet(request, facts)
    if unmet is not None:
        return Refuse("unmet_authentication_requirements", unmet)
    creation = _why_create(request, facts)
    if creation is not None:
        return CreateAccount(creation)
    login = _why_login(request, facts, now)
    if login is not None:
        return Refuse("login_required", login) if "none" in request.prompt else Login(login)
    session, account = facts.session, facts.account
    if session is None or account is None:  # unreachable by _why_login; refuses rather than trusts
        return Refuse("login_required", "nobody is signed in")
    if "select_account" in request.prompt and session.id not in (facts.chosen, facts.signed_in):
        return SelectAccount("prompt=select_account asks which account to use")
    consent = _why_consent(request, facts)
    if consent is not None:
        return Refuse("consent_required", consent) if "none" in request.prompt else AskConsent(consent)
    return Issue(session, account)


def _why_create(request: AuthorizationRequest, facts: Facts) -> str | None:
    """Initiating User Registration 4: for as long as nobody signed in for this very request."""
    session = facts.session
    if session is not None and facts.signed_in == session.id:
        return None
    if facts.account_wish == "new":
        return "the person has no account yet"
    if "create" in request.prompt and facts.account_wish is None:
        return "prompt=create asks for a new account"
    return None


def _why_login(request: AuthorizationRequest, facts: Facts, now: float) -> str | None:
    session, account = facts.session, facts.account
    if session is None or account is None or account.disabled:
        return "nobody is signed in"
    if (stranger := _unlike(request, facts.subject or account.id)) is not None:
        return f"{stranger} names another person than the one signed in"
    # Signed in for this very request is as fresh as any rule below can ask for.
    if facts.signed_in == session.id:
        return None
    if "login" in request.prompt:
        return "prompt=login asks for the password again"
    if request.max_age is not None and now - session.auth_time >= request.max_age:
        return f"max_age={request.max_age}, last sign-in was {int(now - session.auth_time)} s ago"
    # What is only preferred is no reason for prompt=none to fail.
    acr = request.acr
    if acr is not None and not acr.met_by(session.amr) and (acr.necessary or "none" not in request.prompt):
        return f"the app asks for acr {' or '.join(acr.values)}" if acr.met_by(SIGN_IN) else None
    return None


def _another_person_signed_in(request: AuthorizationRequest, facts: Facts) -> str | None:
    """OIDC Core 3.1.2.1: the hint was not met even by a fresh sign-in; asking again would go round in circles."""
    if facts.session is None or facts.signed_in != facts.session.id:
        return None
    return _unlike(request, facts.subject or facts.session.account_id)


def _unlike(request: AuthorizationRequest, subject: str) -> str | None:
    """Which parameter names another person than this one (OIDC Core 3.1.2.1, 5.5.1)."""
    if request.hint is not None and request.hint.subject != subject:
        return "id_token_hint"
    people = request.claims.subjects if request.claims is not None else None
    return "claims" if people is not None and subject not in people else None


def _why_unmet(request: AuthorizationRequest, facts: Facts) -> str | None:
    """OIDC Core 5.5.1.1: what is necessary and out of reach fails at once; nobody signs in for nothing."""
    acr, session = request.acr, facts.session
    if acr is None or not acr.necessary or (session is not None and acr.met_by(session.amr)):
        return None
    if acr.met_by(SIGN_IN) and (session is None or facts.signed_in != session.id):
        return None
    return f"acr {' or '.join(acr.values)[:200]}, which a sign-in here does not reach"


def _beyond(request: AuthorizationRequest) -> dict[str, frozenset[str]]:
    return {} if request.claims is None else request.claims.beyond


def _why_consent(request: AuthorizationRequest, facts: Facts) -> str | None:
    if facts.consented:
        return None
    if "consent" in request.prompt:
        return "prompt=consent asks again"
    if facts.policy == "require":
        return "the consent policy asks every time"
    if (facts.policy or request.client.consent) == "skip":
        return None
    if facts.consent is None:
        return "this app was not allowed before"
    if not facts.consent.covers(request):
        return "the app asks for more than was allowed before"
    return None


def may_act(account: Account | None, client_disabled: bool) -> str | None:
    """The one gate of every grant, UserInfo, introspection and silent authorization: None, or why not."""
    if client_disabled:
        return "the client is disabled"
    if account is not None and account.disabled:
        return "the account is disabled"
    return None
