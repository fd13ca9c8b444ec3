"""A Starlette app with its own users table that is an OpenID Connect provider too, under /auth.

uvicorn app:app          in this folder, then open http://localhost:8000
"""

from __future__ import annotations

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from users import Users

from idp.hooks import ClaimsAsked, Hooks
from idp.mounting import asgi

HERE = Path(__file__).parent
DATA = Path(os.environ.get("APP_DATA", HERE / ".data"))
DATA.mkdir(exist_ok=True)
ISSUER = os.environ.get("APP_ISSUER", "http://localhost:8000/auth")

users = Users(DATA / "app.sqlite3")
users.add("ada", "Ada Lovelace", "ada@example.com", "analytical engine")


def roles(asked: ClaimsAsked) -> dict[str, list[str]]:
    return {"roles": ["founder"]} if asked.sub == "1" else {}


async def front_page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("The app's own page. It is a provider too: /auth/.well-known/openid-configuration\n")


provider = asgi(
    mode="dev", issuer=ISSUER, data_dir=DATA, apply=HERE / "clients.toml", hooks=Hooks(accounts=users, claims=roles)
)
app = Starlette(
    routes=[Route("/", front_page), *provider.well_known_routes, Mount("/auth", app=provider)],
    lifespan=provider.lifespan,
)
