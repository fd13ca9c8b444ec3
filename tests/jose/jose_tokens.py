"""Keys, and tokens signed well over whatever a test puts into them."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from idp.jose import LocalSigner, PublicKey, generate_private_key, verify_compact
from idp.jose.keys import SIGNING_ALGORITHMS

CLAIMS = {"iss": "https://id.example.com", "sub": "ålice", "exp": 1_764_000_300}
SIGNERS = {alg: LocalSigner(generate_private_key(alg), f"kid-{alg}", alg) for alg in SIGNING_ALGORITHMS}
KEYS = {alg: PublicKey.from_jwk(signer.jwk()) for alg, signer in SIGNERS.items()}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: Any, payload: Any = CLAIMS, alg: str = "ES256") -> str:
    """A token well signed by our key over whatever header and payload: only the policy can refuse it."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    message = ".".join(map(b64, parts))
    return f"{message}.{b64(SIGNERS[alg].sign_now(message.encode()))}"


def by_kid(header: Mapping[str, Any]) -> PublicKey | None:
    return next((key for key in KEYS.values() if key.kid == header.get("kid")), None)


def verify(token: Any, typ: tuple[str, ...] = ("at+jwt",)) -> Mapping[str, Any]:
    return verify_compact(token, by_kid, algorithms=SIGNING_ALGORITHMS, typ=typ).claims


HEADER = {"alg": "ES256", "kid": "kid-ES256", "typ": "at+jwt"}
GOOD = signed(HEADER)
HEAD, BODY, SIGNATURE = GOOD.split(".")
