"""``/hello`` of ``idp dev``: a resource server like anybody's, using ``idp.verify`` and the public keys alone."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from idp.server import Server
from idp.verify import Refused, Verifier
from idp.verify import Response as Fetched
from idp.web.context import locale_of, server_of, web_of
from idp.web.dev_token import PAGE as TOKEN_PAGE
from idp.web.forms import json_response
from idp.web.pages import Account
from idp.web.protected_resources import with_pointer


def sample_verifier(server: Server) -> Verifier:
    """Reads the JWKS as anyone would, without the detour over the network to itself."""

    def own_jwks(url: str, headers: Mapping[str, str]) -> Fetched:
        return Fetched(200, {"cache-control": "max-age=1"}, server.keyring.jwks)

    return Verifier(
        server.issuer,
        server.issuer,
        algorithms=server.settings.keys.algorithms,
        jwks_uri=f"{server.issuer}/.well-known/jwks.json",
        clock=server.clock,
        fetch=own_jwks,
        leeway=0,
        cooldown=0,
    )


async def hello(http: Request) -> Response:
    """200 with a greeting, or 401 that says why and what to do."""
    verifier: Verifier = http.app.state.sample_verifier
    try:
        token = await verifier.verify_request(http.method, f"{server_of(http).issuer}/hello", http.headers.raw)
    except Refused as refused:
        members = {
            "error": refused.error or "no_token",
            "why": str(refused),
            "do": f'T=$(idp token alice); curl -H "Authorization: Bearer $T" {server_of(http).issuer}/hello',
        }
        headers = {"WWW-Authenticate": with_pointer(server_of(http), refused.www_authenticate(realm="hello"))}
        return json_response(members, refused.status, headers)
    return json_response({"message": f"Hello, {token.subject}"})


# Who `idp dev` starts with; each one's password is the user name.
PEOPLE = (Account("alice", "Alice Archer"), Account("bob", "Bob Baker"))


async def home(http: Request) -> Response:
    """Where a curious browser lands first: what this is and what there is to try; for programs the same as JSON."""
    web = web_of(http)
    issuer = web.server.issuer
    discovery, jwks = "/.well-known/openid-configuration", "/.well-known/jwks.json"
    commands = {
        "refused": f"curl -i {issuer}/hello",
        "token": f"T=$(idp token {PEOPLE[0].username})",
        "hello": f'curl -i -H "Authorization: Bearer $T" {issuer}/hello',
        "decode": "idp decode $T",
        "login": "idp login",
        "lives": "idp keys list",
    }
    if "text/html" in http.headers.get("accept", ""):
        return web.pages.page(
            "welcome",
            locale=locale_of(http),
            issuer=issuer,
            discovery=web.path(discovery),
            jwks=web.path(jwks),
            account=web.path("/account") if web.server.settings.account_page else "",
            token=web.path(TOKEN_PAGE) if TOKEN_PAGE in http.app.state.paths else "",
            people=PEOPLE,
            commands=commands,
        )
    members = {
        "issuer": issuer,
        "discovery": f"{issuer}{discovery}",
        "keys": f"{issuer}{jwks}",
        **({"account": f"{issuer}/account"} if web.server.settings.account_page else {}),
        "people": [person.username for person in PEOPLE],
        "try": list(commands.values()),
    }
    return json_response(members)
