"""An MCP client that knows one address, the server's, and is registered nowhere: it finds and asks all the rest.

    python client.py today
    python client.py --document https://app.example.com/client.json today
"""

import argparse
import asyncio
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp.types import TextContent
from pydantic import AnyUrl

SERVER = "http://localhost:9000/mcp"


class Memory:
    """The SDK's ``TokenStorage``. A program with a key ring would keep both there, see examples/desktop."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info
        print(f"The provider knows this client as {client_info.client_id}", flush=True)


class Browser(HTTPServer):
    """The person's browser: it is sent to the provider, and comes back to this address with the answer."""

    answer: dict[str, str] | None = None
    state: str | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Callback)

    async def go(self, url: str) -> None:
        self.answer, self.state = None, dict(parse_qsl(urlsplit(url).query))["state"]
        print(f"Your browser opens. If it does not, open this yourself:\n{url}", flush=True)
        webbrowser.open(url)

    async def came_back(self) -> AuthorizationCodeResult:
        while self.answer is None:
            await asyncio.to_thread(self.handle_request)
        if "code" not in self.answer:
            raise SystemExit(f"Not signed in: {self.answer.get('error')}")
        # The SDK compares state once more, and iss with the issuer it asked (RFC 9207).
        return AuthorizationCodeResult.model_validate(self.answer)


class _Callback(BaseHTTPRequestHandler):
    server: Browser
    timeout = 5

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        answer = dict(parse_qsl(address.query))
        ours = address.path == "/callback" and answer.get("state") == self.server.state
        if ours:  # any page in any browser can call this address: what is no answer to us is waited past
            self.server.answer = answer
        self.send_response(200 if ours else 404)
        self.end_headers()
        self.wfile.write(b"You can close this window and go back to the program." if ours else b"Nothing here.")

    def log_message(self, *_: object) -> None:
        """Nothing: the line would hold the code."""


async def call(name: str, document: str | None) -> str:
    with Browser() as browser:
        metadata = OAuthClientMetadata(
            client_name="Notebook",
            redirect_uris=[AnyUrl(f"http://127.0.0.1:{browser.server_port}/callback")],
            grant_types=["authorization_code", "refresh_token"],
            token_endpoint_auth_method="none",
            application_type="native",
        )
        auth = OAuthClientProvider(
            SERVER,
            metadata,
            Memory(),
            redirect_handler=browser.go,
            callback_handler=browser.came_back,
            client_metadata_url=document,
        )
        async with (
            httpx2.AsyncClient(auth=auth, timeout=10, trust_env=False) as http,
            Client(streamable_http_client(SERVER, http_client=http)) as client,
        ):
            told = await client.call_tool("read", {"name": name})
            first = told.content[0]
            return first.text if isinstance(first, TextContent) else str(first)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Read a note from the MCP server.")
    parser.add_argument("name")
    parser.add_argument("--document", help="https address of this client's metadata document, where it has one")
    chosen = parser.parse_args()
    print(asyncio.run(call(chosen.name, chosen.document)))
