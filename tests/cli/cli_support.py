"""What the tests of the command line share: a command's outputs, and an issuer without a server."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

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
