"""A client's key and its DPoP proofs (RFC 9449 4.2), signed with joserfc: nothing of the server's own code."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def ath(token: str) -> str:
    return b64url(hashlib.sha256(token.encode()).digest())


class ProofKey:
    """``proof`` makes a good proof; a changed member of None is left out, of header or claims."""

    def __init__(self, clock: Callable[[], float], alg: str = "ES256") -> None:
        kinds: dict[str, Callable[[], Key]] = {
            "ES256": lambda: ECKey.generate_key("P-256"),
            "ES384": lambda: ECKey.generate_key("P-384"),
            "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
            "Ed25519": lambda: OKPKey.generate_key("Ed25519"),
        }
        self.clock = clock
        self.alg = alg
        self.key = kinds.get(alg, lambda: RSAKey.generate_key(2048))()
        self.jwk: dict[str, Any] = {n: v for n, v in self.key.as_dict(private=False).items() if n != "kid"}

    @property
    def jkt(self) -> str:
        return self.key.thumbprint()

    def proof(
        self,
        method: str,
        url: str,
        token: str | None = None,
        *,
        header: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        members = {"typ": "dpop+jwt", "alg": self.alg, "jwk": self.jwk, **(header or {})}
        claims = {"jti": uuid.uuid4().hex, "htm": method, "htu": url, "iat": int(self.clock()), **changes}
        if token is not None:
            claims = {"ath": ath(token), **claims}
        payload = json.dumps({name: value for name, value in claims.items() if value is not None}).encode()
        members = {name: value for name, value in members.items() if value is not None}
        # Signed by the key's own algorithm whatever the header says: no library would write most of these.
        message = f"{b64url(json.dumps(members).encode())}.{b64url(payload)}"
        return f"{message}.{b64url(_REGISTRY.get_alg(self.alg).sign(message.encode(), self.key))}"


_REGISTRY = jws.JWSRegistry(algorithms=["RS256", "PS256", "ES256", "EdDSA", "Ed25519", "ES384"])
