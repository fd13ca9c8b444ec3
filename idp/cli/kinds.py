"""What ``idp client add NAME --for KIND`` registers, and the snippet that goes with it, by kind. Data, no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters, digits
from typing import Any, Literal
from urllib.parse import urlsplit

_FOLDER = Path(__file__).parent / "snippets"
# What may stand in a snippet: nothing that ends a text in Python, JavaScript, a shell or Apache's configuration.
SAFE = frozenset(ascii_letters + digits + ":/.-_~%?=+@, ")

_PERSON = "openid profile email"
_SPA = {
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
    "refresh": "session",  # ends with the sign-in: nothing in a browser outlives it
    "remember_consent": True,
    "scope": _PERSON,
}
# Somebody who may ask tokens for the API, so that it can be tried: idp token, idp login.
_CALLER = {
    "application_type": "native",
    "token_endpoint_auth_method": "none",
    "redirect_uris": ["http://127.0.0.1/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
}


@dataclass(frozen=True, slots=True)
class Kind:
    """``address`` is where the app (its callback) or the API usually stands; ``first`` what to type before and after.

    An ``api`` is a resource server, with a scope ``NAME:use`` and a caller NAME; an ``app`` signs people in; a
    ``service`` acts for itself.
    """

    what: Literal["api", "app", "service"]
    members: Mapping[str, Any]
    address: str
    first: tuple[tuple[str, str], ...]
    signs_out: bool = False  # comes back to the same address after a sign-out


_CALL = (
    ("T=$(idp token alice --client @CLIENT_ID@ --resource @RESOURCE@)", "a token for it"),
    ('curl -i -H "Authorization: Bearer $T" @ORIGIN@/me', "200; without the header 401, which says why"),
)
KINDS: Mapping[str, Kind] = {
    "fastapi": Kind(
        "api",
        _CALLER,
        "http://localhost:8001",
        (
            ("pip install idp fastapi uvicorn", "what it needs"),
            ("uvicorn api:app --port @PORT@", "the snippet, saved as api.py"),
            *_CALL,
        ),
    ),
    "drf": Kind(
        "api",
        _CALLER,
        "http://localhost:8001",
        (
            ("pip install idp djangorestframework", "what it needs"),
            ("python api.py runserver @PORT@", "the snippet, saved as api.py"),
            *_CALL,
        ),
    ),
    "flask": Kind(
        "api",
        _CALLER,
        "http://localhost:8001",
        (
            ("pip install idp flask", "what it needs"),
            ("flask --app api run --port @PORT@", "the snippet, saved as api.py"),
            *_CALL,
        ),
    ),
    "mcp": Kind(
        "api",
        _CALLER,
        "http://localhost:9000/mcp",
        (
            ("pip install idp mcp", "what it needs"),
            ("uvicorn server:app --port @PORT@", "the snippet, saved as server.py"),
            ("IDP_PROFILE=mcp idp dev", "for MCP clients that nobody registered; see docs/mcp.md"),
        ),
    ),
    "react": Kind(
        "app",
        _SPA,
        "http://localhost:5173/",
        (
            ("npm create vite@latest @CLIENT_ID@ -- --template react", "a project"),
            ("npm install oidc-client-ts", "what the snippet needs; it is src/main.jsx"),
            ("npm run dev", "sign in at @REDIRECT_URI@"),
        ),
        signs_out=True,
    ),
    "vue": Kind(
        "app",
        _SPA,
        "http://localhost:5173/",
        (
            ("npm create vite@latest @CLIENT_ID@ -- --template vue", "a project"),
            ("npm install oidc-client-ts", "what the snippet needs; it is src/main.js"),
            ("npm run dev", "sign in at @REDIRECT_URI@"),
        ),
        signs_out=True,
    ),
    "angular": Kind(
        "app",
        _SPA,
        "http://localhost:4200/",
        (
            ("npx @angular/cli new @CLIENT_ID@ --minimal --defaults", "a project"),
            ("npm install oidc-client-ts", "what the snippet needs; it is src/main.ts"),
            ("npm start", "sign in at @REDIRECT_URI@"),
        ),
        signs_out=True,
    ),
    "express": Kind(
        "app",
        {"token_endpoint_auth_method": "client_secret_post", "scope": _PERSON},
        "http://localhost:3000/callback",
        (
            ("npm install express express-session openid-client", "what it needs"),
            ("CLIENT_SECRET=@CLIENT_SECRET@ node server.mjs", "the snippet, saved as server.mjs"),
            ("open @ORIGIN@/login", "sign in"),
        ),
    ),
    "apache": Kind(
        "app",
        {"token_endpoint_auth_method": "client_secret_basic", "scope": _PERSON},
        "http://localhost:8080/private/callback",
        (
            ("apt-get install libapache2-mod-auth-openidc", "what it needs"),
            ("a2enmod auth_openidc && apachectl configtest", "once the snippet is included"),
            ("open @ORIGIN@@PROTECTED@/", "sign in"),
        ),
    ),
    "curl": Kind(
        "service",
        {"token_endpoint_auth_method": "client_secret_basic", "grant_types": ["client_credentials"], "scope": ""},
        "",
        (("sh call.sh", "the snippet, saved as call.sh"),),
    ),
}


def snippet(kind: str) -> str:
    """Its text, with holes such as ``@ISSUER@``."""
    return (_FOLDER / f"{kind}.txt").read_text(encoding="utf-8")


def filled(text: str, values: Mapping[str, str]) -> str:
    """A line with a hole that has nothing to hold is left out."""
    lines = []
    for line in text.splitlines():
        holes = {name: value for name, value in values.items() if f"@{name}@" in line}
        if all(holes.values()):
            for name, value in holes.items():
                line = line.replace(f"@{name}@", value)
            lines.append(line)
    return "\n".join(lines) + "\n"


def values_of(issuer: str, address: str, client_id: str, secret: str, scope: str, resource: str) -> dict[str, str]:
    """What the holes hold. ``address`` is the callback's, or the API's."""
    parts = urlsplit(address)
    secure = issuer.startswith("https:")
    return {
        "ISSUER": issuer,
        "CLIENT_ID": client_id,
        "CLIENT_SECRET": secret,
        "SCOPE": scope,
        "RESOURCE": resource,
        "REDIRECT_URI": address,
        "ORIGIN": f"{parts.scheme}://{parts.netloc}",
        "PATH": parts.path or "/",
        "PROTECTED": parts.path.rpartition("/")[0] or "/",
        "PORT": str(parts.port or (443 if parts.scheme == "https" else 80)),
        "OPTIONS": "{}" if secure else "{ execute: [client.allowInsecureRequests] }",
    }
