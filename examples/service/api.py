"""The API that is called: it knows the issuer's name, its own, and nothing of who may call it."""

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from idp.verify import Refused, Verifier, bearer_token

ISSUER, HERE = "http://localhost:8000", "http://localhost:8005"

verifier = Verifier(ISSUER, HERE)


async def reports(http: Request) -> JSONResponse:
    try:
        token = await verifier.verify(bearer_token(http.headers.get("authorization")), scopes=["reports:write"])
    except Refused as refused:
        body = {"error": refused.error or refused.reason, "message": str(refused)}
        return JSONResponse(body, refused.status, {"WWW-Authenticate": refused.www_authenticate()})
    # A service acts for itself: the subject of its token is the client (RFC 9068 2.2), and no person stands behind it.
    return JSONResponse({"from": token.subject, "taken": await http.json()}, 201)


app = Starlette(routes=[Route("/reports", reports, methods=["POST"])], max_body_size=65_536)

if __name__ == "__main__":
    print(f"Reports at {HERE}", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=8005, log_level="warning")
