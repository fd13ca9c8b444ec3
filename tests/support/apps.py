"""Registered clients as a test uses them: their metadata, a correct authorization request, their calls."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from idp.testing import Provider

VERIFIER = "verifier-0123456789-verifier-0123456789-verif"
STATE = "state-of-the-app"
NONCE = "nonce-of-the-app"


def challenge(verifier: str = VERIFIER) -> str:
    """S256 (RFC 7636 4.2), written here anew so that it cannot share a mistake with the server."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, eq=False)
class App:
    """One client. ``members`` are further registration members; the calls answer the raw response."""

    client_id: str
    redirect_uri: str = ""
    secret: str | None = None
    method: str = "client_secret_basic"
    scope: str = "openid profile email offline_access"
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    members: Mapping[str, Any] = field(default_factory=dict)

    def toml(self) -> str:
        lines = {
            "client_id": self.client_id,
            "token_endpoint_auth_method": self.method,
            "grant_types": list(self.grant_types),
            "scope": self.scope,
        }
        if self.redirect_uri:
            lines["redirect_uris"] = [self.redirect_uri]
        if self.secret is not None:
            lines["client_secret"] = self.secret
        return "\n".join(
            ["[[clients]]", *(f"{name} = {_toml(value)}" for name, value in {**lines, **self.members}.items())]
        )

    def request(self, **changes: str | None) -> dict[str, str]:
        """A correct authorization request; a change to None leaves the parameter out."""
        parameters: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": STATE,
            "nonce": NONCE,
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**parameters, **changes}.items() if value is not None}

    async def call(
        self, http: httpx2.AsyncClient, path: str, form: Mapping[str, Any], **headers: str
    ) -> httpx2.Response:
        """POST a form as this client, by its registered method (secrets and ``none``)."""
        data = {name: value for name, value in form.items() if value is not None}
        auth = None
        if self.method == "client_secret_basic" and self.secret is not None:
            auth = (self.client_id, self.secret)
        else:
            data = {"client_id": self.client_id, **data}
            if self.secret is not None:
                data["client_secret"] = self.secret
        return await http.post(path, data=data, auth=auth, headers=headers)

    async def token(self, http: httpx2.AsyncClient, grant_type: str, /, **form: Any) -> httpx2.Response:
        return await self.call(http, "/token", {"grant_type": grant_type, **form})

    async def redeem(self, http: httpx2.AsyncClient, code: str, /, **changes: Any) -> httpx2.Response:
        form = {"code": code, "redirect_uri": self.redirect_uri, "code_verifier": VERIFIER, **changes}
        return await self.token(http, "authorization_code", **form)

    async def refresh(self, http: httpx2.AsyncClient, refresh_token: str, /, **changes: Any) -> httpx2.Response:
        return await self.token(http, "refresh_token", **{"refresh_token": refresh_token, **changes})

    async def introspect(self, http: httpx2.AsyncClient, token: str, /, **changes: Any) -> dict[str, Any]:
        answer = await self.call(http, "/introspect", {"token": token, **changes})
        answer.raise_for_status()
        return dict(answer.json())

    async def revoke(self, http: httpx2.AsyncClient, token: str, /, **changes: Any) -> httpx2.Response:
        return await self.call(http, "/revoke", {"token": token, **changes})


WEB = App("web", "https://web.test/cb", "secret-of-web-0123456789abcdef", members={"client_name": "Web shop"})
SPA = App("spa", "https://spa.test/cb", method="none", members={"client_name": "Single page"})
NATIVE = App("native", "http://127.0.0.1/cb", method="none", members={"application_type": "native"})


async def register(provider: Provider, *apps: App) -> None:
    """Apply the apps; registering one again changes it."""
    await provider.apply("\n\n".join(app.toml() for app in apps))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
