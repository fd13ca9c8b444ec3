"""``Idp``: a provider as a test holds it. Everything here may be called from a sync test and from an async one."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2

from idp.control.people import SAMPLE_CLIENT
from idp.testing import code_flow, login, minting, registering
from idp.testing.bridge import AsyncTransport, Bridge, Transport
from idp.testing.browser import Browser, Landing
from idp.testing.registering import RegisteredClient
from idp.testing.seed import apply_text, read_file
from idp.testing.trouble import Troubled
from idp.verify import Verifier
from idp.verify.fetch import Response


class Idp(Troubled):
    """A real provider in this process. ``alice`` and ``bob`` are there (the password is the name), and ``sample``, a
    public client.

    ``clock`` follows the real one until it is moved. Times are in seconds. What the operator may not do raises
    ``idp.control.errors.ControlError``, which says why.
    """

    # Ways in.

    @cached_property
    def asgi(self) -> Bridge:
        """For ``httpx.ASGITransport(app=idp.asgi)``, or to mount: an application of any event loop."""
        return Bridge(self.front, self._portal)

    @cached_property
    def transport(self) -> Transport:
        """For ``httpx2.Client(transport=...)``: no socket, and nothing but this provider."""
        return Transport(self.front, self._portal, self.issuer)

    @cached_property
    def async_transport(self) -> AsyncTransport:
        """For ``httpx2.AsyncClient(transport=...)``."""
        return AsyncTransport(self.front, self._portal, self.issuer)

    @cached_property
    def http(self) -> httpx2.Client:
        """At the issuer. It keeps cookies and follows no redirect."""
        return httpx2.Client(transport=self.transport, base_url=self.issuer)

    @cached_property
    def async_http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=self.async_transport, base_url=self.issuer)

    def verifier(self, audience: str | Iterable[str] | None = None, **options: Any) -> Verifier:
        """An ``idp.verify.Verifier`` of this issuer that fetches without a socket and shares the clock."""
        return Verifier(self.issuer, audience or self.issuer, **{"fetch": self.fetch, "clock": self.clock, **options})

    def fetch(self, url: str, headers: Mapping[str, str]) -> Response:
        """For ``idp.verify.Verifier(fetch=idp.fetch)`` in an app that makes its own."""
        answer = self.http.get(url, headers=dict(headers))
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status_code, found, answer.content)

    def jwks(self) -> dict[str, Any]:
        """The key set as published now (RFC 7517 5), whatever is broken on the way to it."""
        found: dict[str, Any] = json.loads(self.server.keyring.jwks)
        return found

    # Tokens.

    def token_for(
        self,
        person: str,
        *,
        scope: str | None = None,
        audience: str | Iterable[str] = (),
        client: str | None = None,
        lifetime: float | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """An access token. Without ``client`` it is of ``sample``, for whom scopes and audiences nobody knows are
        registered.

        ``lifetime`` in seconds; zero or less: it expired that long ago. ``claims`` replaces single claims by any value,
        None takes one away: the token is signed all the same.
        """
        return str(
            self.tokens_for(
                person, scope=scope, audience=audience, client=client, lifetime=lifetime, claims=claims
            )["access_token"]
        )

    def tokens_for(
        self,
        person: str,
        *,
        scope: str | None = None,
        audience: str | Iterable[str] = (),
        client: str | None = None,
        lifetime: float | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """``token_for``'s whole token response: with a refresh token where the scope has ``offline_access``."""
        asked = minting.tokens_for(
            self.server,
            person,
            scope=scope,
            audience=_listed(audience),
            client=client,
            lifetime=lifetime,
            claims=claims or {},
        )
        return self._portal.call(asked)

    def service_token(
        self,
        client: str = "service",
        *,
        scope: str | None = None,
        audience: str | Iterable[str] = (),
        lifetime: float | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """A client's token for itself (client_credentials); no secret is needed here."""
        asked = minting.service_tokens(
            self.server, client, scope=scope, audience=_listed(audience), lifetime=lifetime, claims=claims or {}
        )
        return str(self._portal.call(asked)["access_token"])

    # Sign-ins.

    def browser(self, person: str = "alice", password: str | None = None, *, consent: bool = True) -> Browser:
        """A browser of that person, with cookies of its own."""
        return Browser(self.transport, self.issuer, person, password, consent=consent)

    def visit(self, url: str, person: str = "alice", *, consent: bool = True) -> Landing:
        """Sign in at an authorization URL that a client made; where the browser is sent back to."""
        return self.browser(person, consent=consent).visit(url)

    def log_in(self, app: Any, start: str, person: str = "alice", *, browser: Browser | None = None) -> Any:
        """The whole login of the client under test; its answer after the callback and the redirects that follow.

        ``app`` is a test client of it (httpx, Starlette, Flask, Django, requests), ``start`` where its login begins.
        ``browser`` is one that is signed in perhaps: single sign-on.
        """
        return login.log_in(app, browser or self.browser(person), start)

    def log_in_async(
        self, app: Any, start: str, person: str = "alice", *, browser: Browser | None = None
    ) -> Awaitable[Any]:
        """``log_in`` for an async client of the app."""
        return login.log_in_async(app, browser or self.browser(person), start)

    def sign_in(
        self,
        person: str = "alice",
        *,
        client: RegisteredClient | None = None,
        browser: Browser | None = None,
        **parameters: str,
    ) -> dict[str, Any]:
        """The tokens of a real sign-in, ID token and all: authorization code flow with PKCE, as ``client`` would.

        ``parameters`` are those of the authorization request: ``scope``, ``nonce``, ``resource``, ``acr_values``.
        """
        asking = client or RegisteredClient(SAMPLE_CLIENT, None, ("http://127.0.0.1/callback",), "openid profile email")
        return code_flow.run(self.http, browser or self.browser(person), asking, self.server.randomness, parameters)

    # Inhabitants.

    def add_person(self, username: str, password: str | None = None, *, sub: str | None = None, **claims: Any) -> str:
        """Their ``sub``. Without ``password`` it is the user name; ``claims`` as in the apply file (``email=...``)."""
        secret = username if password is None else password
        return str(self.control("user.add", username=username, password=secret, sub=sub, claims=claims)["sub"])

    def add_client(self, client_id: str, *redirect_uris: str, **members: Any) -> RegisteredClient:
        """An app with a secret; with ``public=True`` one without, with ``service=True`` one for itself.

        ``members`` are client metadata (``scope``, ``resources``, ``post_logout_redirect_uris``, ...).
        """
        return self._portal.call(
            registering.add_client(self.server, client_id, {"redirect_uris": list(redirect_uris), **members})
        )

    def add_resource(self, uri: str, *scopes: str) -> str:
        """An API, by the ``aud`` of its tokens, and its scopes. ``sample`` may ask for them."""
        self._portal.call(registering.add_resources(self.server, [uri], scopes))
        return uri

    def apply(self, manifest: str | Path) -> dict[str, Any]:
        """An apply file, or its text: clients, people, scopes, resources."""
        return self._portal.call(apply_text(self.server, *read_file(manifest, self.data_dir)))


def _listed(audience: str | Iterable[str]) -> tuple[str, ...]:
    return (audience,) if isinstance(audience, str) else tuple(audience)
