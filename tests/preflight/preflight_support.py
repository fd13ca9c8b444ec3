"""A try of the suite's, in a few lines: the request a module sends, and what came of it."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Self

import httpx2
from support import Answer, App, Page, Visitor, claims_of, discovery, userinfo

from idp.cli.conformance import Suite
from idp.testing import Provider

SUITE = Suite("https://suite.test:8443", "ourop")
CALLBACK = f"{SUITE.address}/callback"
ALL_SCOPES = "openid profile email address phone"
# RFC 6749 4.1.2.1 and 5.2: what may stand in an error_description.
DESCRIPTION = re.compile(r"[ !#-\[\]-~]*")


def client(client_id: str = "cts-basic-1", **changes: Any) -> App:
    """As ``conformance_seed.toml`` registers it."""
    given = {"method": "client_secret_post" if client_id == "cts-post" else "client_secret_basic", **changes}
    return App(client_id, CALLBACK, f"{client_id}-secret-0123456789abcdef", **given)


FIRST, SECOND = client(), client("cts-basic-2")


@dataclass(frozen=True, slots=True)
class Tried:
    provider: Provider
    visitor: Visitor
    metadata: dict[str, Any]

    @classmethod
    async def of(cls, provider: Provider) -> Self:
        return cls(provider, Visitor(provider), await discovery(provider.http))

    @property
    def http(self) -> httpx2.AsyncClient:
        return self.provider.http

    def request(self, app: App = FIRST, **changes: str | None) -> dict[str, str]:
        """What most modules send: no PKCE, a nonce and a state."""
        return app.request(**{"code_challenge": None, "code_challenge_method": None, **changes})

    async def callback(self, app: App = FIRST, **changes: str | None) -> Answer:
        return await self.visitor.sign_on(self.request(app, **changes), "casey", "casey-password")

    async def tokens(self, app: App = FIRST, **changes: str | None) -> dict[str, Any]:
        answer = await self.callback(app, **changes)
        redeemed = await app.redeem(self.http, answer.code, code_verifier=None)
        redeemed.raise_for_status()
        return dict(redeemed.json())

    async def id_token(self, app: App = FIRST, **changes: str | None) -> dict[str, Any]:
        return await self.claims((await self.tokens(app, **changes))["id_token"])

    async def claims(self, token: str) -> dict[str, Any]:
        """Verified against the JWKS."""
        return await claims_of(self.http, token)

    async def person(self, tokens: dict[str, Any]) -> dict[str, Any]:
        return dict((await userinfo(self.http, tokens["access_token"])).json())

    async def redirected(self, app: App = FIRST, **changes: str | None) -> Answer:
        """The answer to a request that needs no page."""
        stop = await self.visitor.authorize(self.request(app, **changes))
        assert isinstance(stop, Answer), stop
        return stop

    async def shown(self, parameters: dict[str, str], path: str = "/authorize") -> Page:
        """The page that refuses: never a redirect."""
        stop = await self.visitor.open(path, parameters)
        assert isinstance(stop, Page), stop
        assert (stop.id, stop.status) == ("error", 400)
        return stop


def entropy(text: str) -> float:
    """Shannon's, summed over the characters, in bits: the measure the suite takes."""
    return -sum(count * math.log2(count / len(text)) for count in Counter(text).values())
