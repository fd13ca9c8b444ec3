"""A web site as its team would write it, with Authlib: its login, its callback, who is signed in."""

from __future__ import annotations

from typing import Any

from authlib.integrations.starlette_client import OAuth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CALLBACK = "https://shop.example/callback"


def site(issuer: str, client_id: str, client_secret: str | None, **client: Any) -> Starlette:
    """``client`` goes to its HTTP client (``transport``)."""
    oauth = OAuth()
    provider: Any = oauth.register(
        "idp",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email", "code_challenge_method": "S256", **client},
    )

    async def login(http: Request) -> Response:
        answer: Response = await provider.authorize_redirect(http, CALLBACK, **dict(http.query_params))
        return answer

    async def callback(http: Request) -> Response:
        form = await http.form()
        if error := http.query_params.get("error") or form.get("error"):
            return JSONResponse({"error": str(error)}, 403)
        token = await provider.authorize_access_token(http)
        http.session["user"] = token["userinfo"]["sub"]
        return RedirectResponse("/", 303)

    async def home(http: Request) -> Response:
        return JSONResponse({"user": http.session.get("user")})

    return Starlette(
        routes=[
            Route("/login", login),
            Route("/callback", callback, methods=["GET", "POST"]),
            Route("/", home),
        ],
        middleware=[Middleware(SessionMiddleware, secret_key="of this test", same_site="none")],
    )
