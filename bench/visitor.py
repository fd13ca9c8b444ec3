"""A target as its clients see it: people sign in, clients redeem and refresh, tokens are verified."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx2
from browser import Browser
from joserfc import jwt
from joserfc.jwk import KeySet
from process import BenchError
from targets import PASSWORD, PEOPLE, REDIRECT_URI, SECRET, Target

VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SIGN_ON_SCOPE, OFFLINE_SCOPE = "openid profile email", "openid profile email offline_access"


def basic(client_id: str) -> str:
    return "Basic " + b64encode(f"{client_id}:{SECRET}".encode()).decode()


def code_form(extra: Mapping[str, str]) -> dict[str, str]:
    usual = {"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
    return {**usual, **extra}


@dataclass(slots=True)
class Visitor:
    """One target as the bench's clients see it."""

    target: Target
    plain: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=30))

    def url(self, path: str) -> str:
        return self.target.base + path

    def keys(self) -> KeySet:
        return KeySet.import_key_set(self.plain.get(self.url(self.target.names.jwks)).json())

    def verify(self, token: str, alg: str) -> Mapping[str, Any]:
        """The claims of a JWT whose signature and algorithm were checked against the target's own JWKS."""
        decoded = jwt.decode(token, self.keys(), algorithms=[alg])
        if "kid" not in decoded.header or decoded.claims.get("iss") != self.target.base:
            raise BenchError(f"{self.target.name}: a token without kid or with a foreign issuer: {decoded.claims}")
        return decoded.claims

    def signed_in(self) -> Sequence[Browser]:
        """A browser for each connection, each with its own person, session and remembered consent.

        Made anew for each run: the peer's in-memory store keeps its last 1,000 to 2,000 entries, so a session
        does not outlive a run of another scenario there.
        """
        browsers = [Browser(self.target.base) for _ in PEOPLE]
        for browser, name in zip(browsers, PEOPLE, strict=True):
            self.code(browser, name, SIGN_ON_SCOPE, self.target.names.person)
        return browsers

    def code(self, browser: Browser, name: str, scope: str, extra: Mapping[str, str]) -> str:
        path = self.authorize_path(scope, {**extra, "login_hint": name})
        received = browser.authorize(self.url(path), REDIRECT_URI, name, PASSWORD)
        if "code" not in received:
            raise BenchError(f"{self.target.name} sent no code back: {received}")
        return received["code"]

    def authorize_path(self, scope: str, extra: Mapping[str, str]) -> str:
        usual = {
            "client_id": "web",
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "scope": scope,
            "state": "af0ifjsldkj",
            "nonce": "n-0S6_WzA2Mj",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return f"{self.target.names.authorize}?{urlencode({**usual, **extra})}"

    def redeem(self, code: str, extra: Mapping[str, str]) -> Mapping[str, str]:
        return self.token_answer({**code_form(extra), "code": code})

    def token_answer(self, form: Mapping[str, str]) -> Mapping[str, str]:
        answer = self.plain.post(self.url(self.target.names.token), data=form, headers={"authorization": basic("web")})
        if answer.status_code != 200:
            raise BenchError(f"{self.target.name}: token answered {answer.status_code} {answer.text[:500]}")
        tokens: Mapping[str, str] = answer.json()
        return tokens
