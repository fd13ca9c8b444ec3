"""Values the tables of this folder start from."""

from __future__ import annotations

from typing import Any

from idp.protocol.client import Account, Client, Resource
from idp.protocol.parameters import Parameters
from idp.protocol.prompts import Consent, Facts, Session
from idp.protocol.request import AuthorizationRequest, Draft, Hint, Rules, Target

NOW = 1_800_000_000.0
ISSUER = "https://id.test"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 appendix B
ALICE = Account(id="alice", username="alice", claims={})
BOB = Account(id="bob", username="bob", claims={})
GONE = Account(id="alice", username="alice", claims={}, disabled=True)


def client(**changes: Any) -> Client:
    members = {
        "client_id": "app",
        "redirect_uris": ("https://app.test/cb",),
        "grant_types": ("authorization_code", "refresh_token"),
        "scope": "openid profile email offline_access",
        "resources": ("https://api.test",),
    }
    return Client(**{**members, **changes})


def target(app: Client | None = None, uri: str = "https://app.test/cb", state: str | None = "s") -> Target:
    return Target(app or client(), uri, state)


def request(app: Client | None = None, **changes: Any) -> AuthorizationRequest:
    members = {"response_type": "code", "scope": ("openid", "profile"), "resources": ()}
    return AuthorizationRequest(target=target(app), **{**members, **changes})


def session(account_id: str = "alice", age: float = 100.0, name: str = "s1") -> Session:
    return Session(name, account_id, NOW - age, ("pwd",), NOW + 1000)


def facts(**changes: Any) -> Facts:
    """Alice, signed in 100 s ago, who allowed openid and profile."""
    known = {"session": session(), "account": ALICE, "consent": consent("openid", "profile")}
    return Facts(**{**known, **changes})


def nobody(**changes: Any) -> Facts:
    return facts(**{"session": None, "account": None, "consent": None, **changes})


def consent(*scope: str, resources: tuple[str, ...] = ()) -> Consent:
    return Consent(frozenset(scope), frozenset(resources))


def hint(subject: str) -> Hint:
    return Hint(subject, "sid", "app")


def rules(**changes: Any) -> Rules:
    members = {
        "issuer": ISSUER,
        "scopes": frozenset({"openid", "profile", "email", "offline_access", "orders"}),
        "resources": {uri: Resource(uri=uri) for uri in ("https://api.test", "https://other.test")},
        "response_types": frozenset({"code"}),
        "response_modes": frozenset({"query"}),
        "grant_types": frozenset({"authorization_code", "refresh_token"}),
    }
    return Rules(**{**members, **changes})


def draft(parameters: dict[str, str] | list[tuple[str, str]], app: Client | None = None, **settled: Any) -> Draft:
    pairs = parameters.items() if isinstance(parameters, dict) else parameters
    before = {"response_type": "code", "scope": ("openid",), **settled}
    return Draft(Parameters(pairs), app or client(), rules(), before)
