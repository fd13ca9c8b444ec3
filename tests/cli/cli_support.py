"""What the tests of the command line share: a command's outputs, and an issuer without a server."""

from __future__ import annotations

import asyncio
import html
import re
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx2

from idp.jose import LocalSigner, sign_compact

ISSUER = "http://localhost:8000"


class Said(NamedTuple):
    status: int
    out: str
    err: str


Idp = Callable[..., Said]


class Issuer(NamedTuple):
    """An issuer's key without a server."""

    signer: LocalSigner

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [dict(self.signer.jwk())]}

    def token(self, typ: str = "at+jwt", **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "alice",
            "aud": ISSUER,
            "client_id": "sample",
            "iat": now,
            "exp": now + 300,
            "jti": "one",
            "scope": "openid profile",
        }
        kept = {name: value for name, value in (claims | changes).items() if value is not None}
        return asyncio.run(sign_compact(self.signer, typ, kept))


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def sign_in_by_form(url: str, person: str, password: str | None = None) -> httpx2.Response:
    """What a person does in a browser: follow, fill in the form, allow. A seeded person's password is the name."""
    with httpx2.Client(follow_redirects=True, trust_env=False) as browser:
        page = browser.get(url)
        for _ in range(3):
            form = re.search(r"<form[^>]*>.*?</form>", page.text, re.DOTALL)
            if form is None or page.url.path == "/account":
                return page
            action = re.search(r'action="([^"]*)"', form[0])
            fields = {}
            for tag in re.findall(r"<input[^>]*>", form[0]):
                name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
                if name:
                    fields[name[1]] = html.unescape(value[1]) if value else ""
            credentials = {"username": person, "password": password or person}
            fields |= credentials if "password" in fields else {"decision": "allow"}
            target = page.url.join(html.unescape(action[1])) if action else page.url
            page = browser.post(target, data=fields)
    raise AssertionError(f"too many forms, the last at {page.url}")
