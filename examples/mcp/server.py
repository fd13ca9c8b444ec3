"""An MCP server as a protected resource (RFC 9728): it points clients at the issuer, and verifies what they bring."""

import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

from idp.verify import Refused, Verifier

ISSUER, HERE = "http://localhost:8000", "http://localhost:9000/mcp"


class Tokens:
    """The SDK's ``TokenVerifier``: only tokens of this issuer, for this server."""

    verifier = Verifier(ISSUER, HERE)

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            found = await self.verifier.verify(token)
        except Refused as refused:
            print(f"refused: {refused}", flush=True)  # the SDK tells the caller that it was, not why
            return None
        return AccessToken(
            token=token,
            client_id=str(found.claims["client_id"]),
            scopes=list(found.scopes),
            expires_at=int(found.expires_at),
            resource=HERE,
            subject=found.subject,
        )


notes = MCPServer(
    "notes",
    token_verifier=Tokens(),
    # As text: AnyHttpUrl("http://localhost:8000") has a slash at its end, and then is another issuer.
    auth=AuthSettings.model_validate(
        {
            "issuer_url": ISSUER,
            "resource_server_url": HERE,
            "required_scopes": ["notes"],
            "validate_token_resource": True,
        }
    ),
)


@notes.tool()
def read(name: str) -> str:
    """Read the note of that name."""
    token = get_access_token()
    return f"the note {name} of {token.subject if token else 'nobody'}"


if __name__ == "__main__":
    print(f"Notes at {HERE}", flush=True)
    uvicorn.run(notes.streamable_http_app(json_response=True), host="127.0.0.1", port=9000, log_level="warning")
