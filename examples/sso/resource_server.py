"""An API that accepts the provider's access tokens, knowing nothing of it but where its public keys are.

    python resource_server.py --port 8003

No secret, no call per request: the keys are fetched once and again when the provider publishes new ones.
"""

import argparse
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from idp.verify import Refused, VerifiedToken, Verifier, bearer_token

Handler = Callable[[Request], Awaitable[JSONResponse]]


def protected(verifier: Verifier, scope: str) -> Callable[[Callable[[VerifiedToken], JSONResponse]], Handler]:
    """Turn a function of a verified token into a route that only answers tokens carrying ``scope``."""

    def around(answer: Callable[[VerifiedToken], JSONResponse]) -> Handler:
        async def handler(http: Request) -> JSONResponse:
            try:
                token = await verifier.verify(bearer_token(http.headers.get("authorization")))
                token.require_scopes(scope)
            except Refused as refused:
                return explained(refused, scope)
            return answer(token)

        return handler

    return around


def explained(refused: Refused, scope: str) -> JSONResponse:
    """What a developer with curl wants to read: what was wrong, and what to do about it."""
    body = {
        "error": refused.error or refused.reason,
        "reason": refused.reason,
        "message": str(refused),
        "what_to_do": f"Send 'Authorization: Bearer TOKEN', an access token for this API with scope {scope}.",
    }
    headers = {"cache-control": "no-store"}
    if refused.status in (401, 403):
        headers["www-authenticate"] = refused.www_authenticate(realm="Greeting API")
    return JSONResponse(body, refused.status, headers)


def hello(token: VerifiedToken) -> JSONResponse:
    seen = {"issuer": token.claims["iss"], "key": token.header["kid"], "algorithm": token.header["alg"]}
    greeting = f"Hello {token.subject}, sent by {token.claims.get('client_id')}."
    return JSONResponse({"message": greeting, "scopes": token.scopes, "verified_with": seen})


def create(verifier: Verifier) -> Starlette:
    return Starlette(routes=[Route("/hello", protected(verifier, "hello:read")(hello))], max_body_size=65_536)


def main() -> None:
    parser = argparse.ArgumentParser(description="The resource server of the single sign-on demo.")
    parser.add_argument("--port", type=int, default=8003)
    parser.add_argument("--issuer", default="http://localhost:8000")
    parser.add_argument("--jwks-uri", help="default: ISSUER/.well-known/jwks.json")
    parser.add_argument("--audience", default="http://api.localhost:8003")
    chosen = parser.parse_args()
    jwks_uri = chosen.jwks_uri or f"{chosen.issuer}/.well-known/jwks.json"
    verifier = Verifier(chosen.issuer, chosen.audience, jwks_uri=jwks_uri)
    uvicorn.run(create(verifier), host="127.0.0.1", port=chosen.port, log_level="warning")


if __name__ == "__main__":
    main()
