"""A backend for a frontend: the browser holds a cookie, this server holds the tokens.

    python bff.py                                  # http://localhost:8005
    CLIENT_SECRET=... python bff.py --origin https://notes.example --issuer https://id.example --api https://api.example

What the page asks for under /api goes to the API with the person's access token. Sessions are in this process
(sessions.py); what the provider says is read in provider.py.
"""

import argparse
import os
import re
import secrets
import tomllib
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import uvicorn
from provider import NotUs, Provider, Refused, Settings, SignedOut
from sessions import Session, SessionTable
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = Path(__file__).parent
# The browser lets nobody but this very host set a cookie of that name, and only over TLS (or on this machine).
SESSION, SIGN_IN = "__Host-bff", "__Host-bff-sign-in-"
PASSED_ON = ("accept", "accept-language", "content-type")
HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'self'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}


class Backend:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.http = httpx2.AsyncClient(timeout=5.0, trust_env=False)
        self.provider = Provider(settings, self.http)
        self.sessions = SessionTable()

    async def sign_in(self, http: Request) -> Response:
        """What has to come back with the answer is in a cookie of this one sign-in, so tabs do not disturb another."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        answer = RedirectResponse(await self.provider.authorization_url(state, nonce, verifier), 303)
        # Lax: the answer comes from the provider's site.
        name = SIGN_IN + state
        answer.set_cookie(name, f"{nonce}.{verifier}", max_age=600, secure=True, httponly=True, samesite="lax")
        return answer

    async def callback(self, http: Request) -> Response:
        state = http.query_params.get("state", "")
        nonce, _, verifier = http.cookies.get(SIGN_IN + state, "").partition(".")
        answer: Response
        try:
            if not verifier:
                raise Refused("not_begun_here")
            session = await self.provider.redeem(http.query_params, nonce, verifier)
        except Refused as refused:
            word = refused.error if re.fullmatch("[a-z_]{1,40}", refused.error) else "refused"
            answer = RedirectResponse(f"/?problem={word}", 303)
        else:
            self.sessions.drop(http.cookies.get(SESSION))
            answer = RedirectResponse("/", 303)
            # Strict: nothing that begins at another site is ever done in this session's name.
            answer.set_cookie(SESSION, self.sessions.add(session), secure=True, httponly=True, samesite="strict")
        if verifier:
            answer.delete_cookie(SIGN_IN + state, secure=True, httponly=True, samesite="lax")
        return answer

    async def user(self, http: Request) -> Response:
        session = self._session(http)
        return JSONResponse({"name": session.name if session else None})

    async def sign_out(self, http: Request) -> Response:
        """Out here at once; the page then goes to the address it is told, where every other app is told."""
        session = self._session(http)
        self.sessions.drop(http.cookies.get(SESSION))
        answer = JSONResponse({"location": await self.provider.logout_url(session) if session else "/"})
        answer.delete_cookie(SESSION, secure=True, httponly=True, samesite="strict")
        return answer

    async def api(self, http: Request) -> Response:
        session = self._session(http)
        if session is None:
            return JSONResponse({"error": "signed_out"}, 401)
        path = http.scope["raw_path"].removeprefix(b"/api").decode("ascii")
        query = f"?{http.url.query}" if http.url.query else ""
        headers = {name: http.headers[name] for name in PASSED_ON if name in http.headers}
        request = (http.method, f"{self.settings.api}{path}{query}", headers, await http.body())
        try:
            token = await self.provider.access_token(session)
            answer = await self._sent(*request, token)
            if answer.status_code == 401:
                answer = await self._sent(*request, await self.provider.access_token(session, instead_of=token))
        except SignedOut:
            self.sessions.drop(http.cookies.get(SESSION))
            return JSONResponse({"error": "signed_out"}, 401)
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    async def _sent(self, method: str, url: str, headers: dict[str, str], body: bytes, token: str) -> httpx2.Response:
        return await self.http.request(
            method, url, headers={**headers, "authorization": f"Bearer {token}"}, content=body, follow_redirects=False
        )

    async def backchannel_logout(self, http: Request) -> Response:
        """The provider itself calls, with no browser and no cookie; only the signed token counts."""
        form = await http.form(max_fields=10)
        try:
            sid, sub = await self.provider.read_logout_token(str(form.get("logout_token", "")))
        except NotUs as reason:
            return PlainTextResponse(f"{reason}\n", 400)
        self.sessions.end(sid, sub)
        return Response(status_code=200)

    def _session(self, http: Request) -> Session | None:
        return self.sessions.find(http.cookies.get(SESSION))


class Guard:
    """Only this origin's own pages get through to ``/api`` and ``/bff``, and every answer gets ``HEADERS``.

    No form and no picture can send a header of its own choosing, and no script of another origin may without a CORS
    preflight, which nobody here answers. What the browser says about the request's origin has to fit, too.
    """

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self.app, self.origin = app, origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *HEADERS.items()]}
            await send(message)

        http = Request(scope)
        if scope["path"].startswith(("/api/", "/bff/")) and not self._ours(http):
            await JSONResponse({"error": "not_from_our_page"}, 403)(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)

    def _ours(self, http: Request) -> bool:
        site, origin = http.headers.get("sec-fetch-site"), http.headers.get("origin")
        return http.headers.get("x-bff") == "1" and site in (None, "same-origin") and origin in (None, self.origin)


async def away(http: Request, error: Exception) -> Response:
    return JSONResponse({"error": "away", "which": "the provider or the API"}, 502)


def create(settings: Settings) -> Starlette:
    backend = Backend(settings)
    return Starlette(
        routes=[
            Route("/sign-in", backend.sign_in),
            Route("/callback", backend.callback),
            Route("/bff/user", backend.user),
            Route("/bff/sign-out", backend.sign_out, methods=["POST"]),
            Route("/api/{path:path}", backend.api, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            Route("/backchannel-logout", backend.backchannel_logout, methods=["POST"]),
            Mount("/", StaticFiles(directory=HERE / "site", html=True)),
        ],
        middleware=[Middleware(Guard, origin=settings.origin)],
        exception_handlers={httpx2.HTTPError: away},
        max_body_size=65_536,
    )


def registered() -> Settings:
    """The secret of idp.toml: the very file the provider was told it by. It is for this machine alone."""
    client = tomllib.loads((HERE / "idp.toml").read_text(encoding="utf-8"))["clients"][0]
    return Settings(client_secret=os.environ.get("CLIENT_SECRET", client["client_secret"]))


def main() -> None:
    parser = argparse.ArgumentParser(description="A backend for a frontend.")
    for name in ("origin", "issuer", "client_id", "api", "resource", "scope"):
        parser.add_argument("--" + name.replace("_", "-"), default=argparse.SUPPRESS)
    settings = replace(registered(), **vars(parser.parse_args()))
    port = urlsplit(settings.origin).port or 80
    uvicorn.run(create(settings), host="127.0.0.1", port=port, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()
