"""What this backend says to its provider, and what it believes of the answers."""

import base64
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx2
from sessions import Session

from idp import verify

RENEW_BEFORE = 30.0
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
REMEMBER = 600.0  # seconds a logout token's id is remembered; the token itself is good for less


class Refused(Exception):
    """Nobody was signed in; ``error`` is the word for it."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class SignedOut(Exception):
    """The provider takes the refresh token no more: the sign-in is over."""


class NotUs(Exception):
    """A logout token that proves nothing; the sentence says why."""


@dataclass(frozen=True)
class Settings:
    """``api`` is where the API is reached, ``resource`` the name of it in tokens."""

    client_secret: str
    origin: str = "http://localhost:8005"
    issuer: str = "http://localhost:8000"
    client_id: str = "bff"
    api: str = "http://localhost:8001"
    resource: str = "http://localhost:8001"
    scope: str = "openid notes:read notes:write"


class Provider:
    def __init__(self, settings: Settings, http: httpx2.AsyncClient) -> None:
        self.settings, self.http = settings, http
        # One verifier for each kind of token: another kind is never taken for it.
        self.id_tokens = verify.Verifier(settings.issuer, settings.client_id, typ="JWT")
        self.logout_tokens = verify.Verifier(settings.issuer, settings.client_id, typ="logout+jwt")
        self._metadata: Mapping[str, str] | None = None
        self._seen: OrderedDict[str, float] = OrderedDict()

    async def authorization_url(self, state: str, nonce: str, verifier: str) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": f"{self.settings.origin}/callback",
            "scope": self.settings.scope,
            "resource": self.settings.resource,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            # The name comes in the ID token, so the access token is for the API alone and not for UserInfo, too.
            "claims": json.dumps({"id_token": {"name": None}}),
        }
        return f"{await self._endpoint('authorization_endpoint')}?{urlencode(asked)}"

    async def redeem(self, answer: Mapping[str, str], nonce: str, verifier: str) -> Session:
        """The session the provider's answer proves, or ``Refused``."""
        if answer.get("iss") != self.settings.issuer:  # RFC 9207: a code of another provider is never taken to this one
            raise Refused("wrong_issuer")
        if "code" not in answer:
            raise Refused(answer.get("error", "no_code"))
        form = {"grant_type": "authorization_code", "code": answer["code"], "code_verifier": verifier}
        tokens = await self._tokens({**form, "redirect_uri": f"{self.settings.origin}/callback"})
        try:
            proved = (await self.id_tokens.verify(tokens["id_token"])).claims
        except verify.Refused as refused:
            raise Refused("bad_id_token") from refused
        if proved.get("nonce") != nonce:
            raise Refused("bad_nonce")
        session = Session(proved["sub"], proved.get("sid"), proved.get("name") or proved["sub"], "", "", "", 0.0)
        _keep(session, tokens)
        return session

    async def access_token(self, session: Session, *, instead_of: str | None = None) -> str:
        """One good for a while, and another than ``instead_of``. However many ask, one refresh happens."""
        async with session.lock:
            if session.expires_at - time.monotonic() < RENEW_BEFORE or session.access_token == instead_of:
                form = {"grant_type": "refresh_token", "refresh_token": session.refresh_token}
                try:
                    _keep(session, await self._tokens(form))
                except Refused as refused:
                    raise SignedOut from refused
            return session.access_token

    async def logout_url(self, session: Session) -> str:
        asked = {"id_token_hint": session.id_token, "post_logout_redirect_uri": f"{self.settings.origin}/"}
        return f"{await self._endpoint('end_session_endpoint')}?{urlencode(asked)}"

    async def read_logout_token(self, token: str) -> tuple[str | None, str | None]:
        """``sid`` and ``sub`` of those signed out (OIDC Back-Channel Logout 1.0, 2.6), or ``NotUs``."""
        try:
            claims = (await self.logout_tokens.verify(token)).claims
        except verify.Refused as refused:
            raise NotUs(str(refused)) from refused
        events, jti = claims.get("events"), claims.get("jti")
        if not isinstance(events, Mapping) or LOGOUT not in events or "nonce" in claims or not isinstance(jti, str):
            raise NotUs("events, jti or nonce are not those of a logout token")
        if jti in self._seen:
            return None, None  # obeyed before: a copied token must not end a later session
        now = time.monotonic()
        while self._seen and next(iter(self._seen.values())) < now - REMEMBER:
            self._seen.popitem(last=False)
        self._seen[jti] = now
        return claims.get("sid"), claims["sub"]

    async def _tokens(self, form: Mapping[str, str]) -> dict[str, Any]:
        credentials = httpx2.BasicAuth(self.settings.client_id, self.settings.client_secret)
        answer = await self.http.post(await self._endpoint("token_endpoint"), data=dict(form), auth=credentials)
        if answer.status_code >= 500 or answer.status_code == 429:
            answer.raise_for_status()  # decides nothing: not a sign-out
        tokens: dict[str, Any] = answer.json()
        if answer.status_code != 200:
            raise Refused(str(tokens.get("error", "refused")))
        return tokens

    async def _endpoint(self, name: str) -> str:
        if self._metadata is None:
            answer = await self.http.get(f"{self.settings.issuer}/.well-known/openid-configuration")
            found = answer.raise_for_status().json()
            if found.get("issuer") != self.settings.issuer:
                raise Refused("wrong_issuer")
            self._metadata = found
        return self._metadata[name]


def _keep(session: Session, tokens: Mapping[str, Any]) -> None:
    session.access_token = tokens["access_token"]
    session.refresh_token = tokens.get("refresh_token", session.refresh_token)
    session.id_token = tokens.get("id_token", session.id_token)
    session.expires_at = time.monotonic() + float(tokens.get("expires_in", 0))
