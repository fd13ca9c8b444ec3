"""What nginx asks before it lets a request through (auth_request): does this token count at this API?

204 and X-User lets it through; 401 and 403 end it, with the reason in WWW-Authenticate; anything else nginx takes as a
fault of ours.
"""

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from idp.verify import Refused, Verifier, bearer_token

ISSUER, API = "https://id.example.com", "https://api.example.com"
# The provider is on this machine: its keys are fetched there, and nginx need not be up for it.
verifier = Verifier(ISSUER, API, jwks_uri="http://127.0.0.1:8000/.well-known/jwks.json")


async def verify(http: Request) -> Response:
    try:
        token = await verifier.verify(bearer_token(http.headers.get("authorization")), scopes=["hello"])
    except Refused as refused:
        # nginx knows 401 and 403 alone; a header that holds no token (400) is no token either.
        status = 401 if refused.status == 400 else refused.status
        return Response(status_code=status, headers={"WWW-Authenticate": refused.www_authenticate(realm="api")})
    return Response(status_code=204, headers={"X-User": token.subject})


app = Starlette(routes=[Route("/_verify", verify)])

if __name__ == "__main__":
    print(f"verifies tokens of {ISSUER} for {API}", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=9000, log_level="warning")
