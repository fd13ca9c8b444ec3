"""A web site that signs people in through the provider, as any team would write it: Starlette and Authlib.

    python relying_party.py app-a
    CLIENT_SECRET=... python relying_party.py --client-id mine --origin http://mine.localhost:8004

It keeps its sessions on the server (server_sessions.py), so a sign-out anywhere reaches it (logout_token.py).
"""

import argparse
import json
import os
import time
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import uvicorn
from authlib.integrations.starlette_client import OAuth, OAuthError
from joserfc.errors import JoseError
from logout_token import LogoutTokens, NotALogout, Repeated
from server_sessions import ServerSideSessions, SessionTable, start_afresh
from site_pages import STYLE, html
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

# What a link to /login may pass on; everything else in the authorization request is this site's own business.
PASSED_ON = ("prompt", "max_age", "login_hint", "ui_locales")
MANIFEST = Path(__file__).with_name("demo.toml")
ACCENTS = {"app-a": "#1f7a4d", "app-b": "#a2480b"}


@dataclass(frozen=True)
class Settings:
    """``api`` is where this program reaches the resource server, ``resource`` the name its tokens bear."""

    origin: str
    client_id: str
    client_secret: str
    name: str = "App"
    accent: str = "#3451b2"
    issuer: str = "http://localhost:8000"
    api: str = "http://localhost:8003/hello"
    resource: str = "http://api.localhost:8003"
    scope: str = "openid profile email hello:read"
    auth_method: str = "client_secret_basic"


class Site:
    """The routes of one relying party over its provider (``idp``) and its sessions."""

    def __init__(self, settings: Settings, sessions: SessionTable) -> None:
        self.settings, self.sessions = settings, sessions
        oauth = OAuth()
        self.idp: Any = oauth.register(
            "idp",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=f"{settings.issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": settings.scope,
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": settings.auth_method,
                "timeout": 5.0,
                "trust_env": False,
            },
        )
        self.logout_tokens = LogoutTokens(
            settings.issuer, settings.client_id, self.idp.fetch_jwk_set, ["RS256", "ES256"]
        )

    async def home(self, http: Request) -> Response:
        ended_at = http.session.get("ended_at")
        ended = time.strftime("%H:%M:%S", time.localtime(ended_at)) if ended_at else None
        return html("home", self.settings, user=http.session.get("user"), ended=ended)

    async def style(self, http: Request) -> Response:
        return Response(STYLE.replace("ACCENT", self.settings.accent), media_type="text/css")

    async def login(self, http: Request) -> Response:
        extra = {name: http.query_params[name] for name in PASSED_ON if name in http.query_params}
        # UserInfo is the provider's own resource (RFC 8707), so one token for both lets the API read it too. A site
        # that trusts its API less takes a refresh token and asks for a token for each.
        resources = [self.settings.issuer, self.settings.resource]
        answer: Response = await self.idp.authorize_redirect(
            http, f"{self.settings.origin}/callback", resource=resources, **extra
        )
        return answer

    async def callback(self, http: Request) -> Response:
        # RFC 9207: what another provider answered is never taken to this one's token endpoint.
        if http.query_params.get("iss") != self.settings.issuer:
            return self._failed("wrong_issuer", "Another provider answered.")
        try:
            token = await self.idp.authorize_access_token(http, leeway=30)
        except OAuthError as refused:
            return self._failed(refused.error, refused.description)
        except JoseError:
            return self._failed("bad_id_token", "The ID token proves nothing.")
        claims = token.get("userinfo")
        if not claims:
            return self._failed("no_id_token", "The answer holds no ID token.")
        user = {"sub": claims["sub"], "sid": claims.get("sid"), "name": await self._name(token, claims)}
        secrets = {"id_token": token["id_token"], "access_token": token["access_token"]}
        start_afresh(http, {"user": user, **secrets})
        return RedirectResponse("/", status_code=303)

    async def _name(self, token: dict[str, Any], claims: dict[str, Any]) -> str:
        """The person's name from UserInfo: an ID token tells about the sign-in, not about the person."""
        person = await self.idp.userinfo(token=token)
        if person.get("sub") != claims["sub"]:  # OIDC Core 5.3.2: it may be about somebody else
            raise HTTPException(502, "UserInfo is about another person than the ID token.")
        return str(person.get("name") or person.get("preferred_username") or claims["sub"])

    async def api(self, http: Request) -> Response:
        token = http.session.get("access_token")
        if token is None:
            return RedirectResponse("/", status_code=303)
        headers = {"authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(timeout=5.0, trust_env=False) as client:
            answer = await client.get(self.settings.api, headers=headers)
        body = json.dumps(answer.json(), indent=2)
        return html("api", self.settings, address=self.settings.api, status=answer.status_code, body=body)

    async def logout(self, http: Request) -> Response:
        """Sign out here at once, then at the provider, which tells every other site."""
        hint = http.session.get("id_token")
        start_afresh(http, {})
        if hint is None:
            return RedirectResponse("/", status_code=303)
        answer: Response = await self.idp.logout_redirect(
            http, post_logout_redirect_uri=f"{self.settings.origin}/signed-out", id_token_hint=hint
        )
        answer.status_code = 303
        return answer

    def _failed(self, error: str, reason: str | None) -> Response:
        return html("failed", self.settings, 400, error=error, reason=reason)

    async def signed_out(self, http: Request) -> Response:
        try:
            await self.idp.validate_logout_response(http)
        except OAuthError as refused:
            return self._failed(refused.error, refused.description)
        return html("signed_out", self.settings)

    async def backchannel_logout(self, http: Request) -> Response:
        """The provider itself calls, with no browser and no cookie; only the signed token counts."""
        quiet = {"cache-control": "no-store"}
        try:
            values = parse_qs((await http.body()).decode("ascii"), max_num_fields=10).get("logout_token", [])
            logout = await self.logout_tokens.read(values[0] if len(values) == 1 else "")
        except (NotALogout, ValueError) as reason:
            return PlainTextResponse(f"{reason}\n", 400, quiet)
        except Repeated:
            return Response(status_code=200, headers=quiet)
        self.sessions.end(sid=logout.sid, sub=logout.sub)
        return Response(status_code=200, headers=quiet)


async def provider_is_away(http: Request, error: Exception) -> Response:
    text = f"The provider or the API gave no usable answer ({type(error).__name__}). Is it running?\n"
    return PlainTextResponse(text, 502)


def create(settings: Settings) -> Starlette:
    sessions = SessionTable()
    site = Site(settings, sessions)
    secure = urlsplit(settings.origin).scheme == "https"
    cookie = f"__Host-{settings.client_id}" if secure else settings.client_id
    return Starlette(
        routes=[
            Route("/", site.home),
            Route("/style.css", site.style),
            Route("/login", site.login),
            Route("/callback", site.callback),
            Route("/api", site.api),
            Route("/logout", site.logout, methods=["POST"]),
            Route("/signed-out", site.signed_out),
            Route("/backchannel-logout", site.backchannel_logout, methods=["POST"]),
        ],
        middleware=[Middleware(ServerSideSessions, table=sessions, cookie=cookie, secure=secure)],
        exception_handlers={httpx2.HTTPError: provider_is_away},
        max_body_size=65_536,
    )


def registered(client_id: str, issuer: str, manifest: Path = MANIFEST) -> Settings:
    """The settings of a site of demo.toml: the very file the provider was told about it by."""
    asked = tomllib.loads(manifest.read_text(encoding="utf-8"))
    client = next(client for client in asked["clients"] if client["client_id"] == client_id)
    callback, resource = urlsplit(client["redirect_uris"][0]), client["resources"][0]
    return Settings(
        origin=f"{callback.scheme}://{callback.netloc}",
        client_id=client_id,
        client_secret=client["client_secret"],
        name=client["client_name"],
        accent=ACCENTS.get(client_id, Settings.accent),
        issuer=issuer,
        # Asked for under its own name, reached as localhost: not every system resolves names below localhost.
        api=f"http://localhost:{urlsplit(resource).port}/hello",
        resource=resource,
        scope=client["scope"],
        auth_method=client.get("token_endpoint_auth_method", Settings.auth_method),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="One relying party of the single sign-on demo.")
    parser.add_argument("site", nargs="?", help="app-a or app-b: take the rest from demo.toml")
    parser.add_argument("--port", type=int, help="default: the port of --origin")
    for field in fields(Settings):
        parser.add_argument("--" + field.name.replace("_", "-"), default=argparse.SUPPRESS)
    given = vars(parser.parse_args())
    site, port = given.pop("site"), given.pop("port")
    if "CLIENT_SECRET" in os.environ:
        given.setdefault("client_secret", os.environ["CLIENT_SECRET"])
    if site is not None:
        settings = replace(registered(site, Settings.issuer), **given)
    elif {"origin", "client_id", "client_secret"} <= given.keys():
        settings = Settings(**given)
    else:
        parser.error("name a site of demo.toml, or give --origin, --client-id and CLIENT_SECRET")
    port = port or urlsplit(settings.origin).port or 80
    uvicorn.run(create(settings), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
