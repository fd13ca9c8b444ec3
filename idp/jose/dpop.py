"""Proofs of possession (RFC 9449): what a DPoP proof must hold, for the server and for resource servers alike.

Pure: the time is an argument, and whoever asks remembers which proofs were used.
"""

import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .compact import MAX_HEADER, read_signed
from .encoding import b64url
from .errors import JoseError, shown
from .keys import thumbprint
from .public import PublicKey
from .target_uri import normal_uri

# RFC 9864: Ed25519 is EdDSA with its curve spelled out, and some libraries sign under that name only.
ALGORITHMS = ("ES256", "PS256", "EdDSA", "Ed25519", "RS256")
TYPE = "dpop+jwt"
MAX_AGE = 60.0  # seconds from iat on
LEEWAY = 15.0  # seconds a client's clock may be ahead; FAPI 2.0 5.3.2.1 asks for 10, and 60 at most
_MAX_PROOF = 2 * MAX_HEADER
_MAX_JTI = 255


@dataclass(frozen=True, slots=True)
class Demands:
    """What a proof has to be about: the request as this side knows it, never as its Host header says.

    ``method`` is compared as it is, ``url`` without query and fragment. ``access_token`` is the token that comes with
    the proof, None where tokens are asked for.
    """

    method: str
    url: str
    access_token: str | None = None
    algorithms: Sequence[str] = ALGORITHMS
    max_age: float = MAX_AGE
    leeway: float = LEEWAY


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof whose signature and claims hold. Whether it was used before, and its nonce, are the caller's to check.

    ``jkt`` is the key's thumbprint (RFC 9449 6.1), ``name`` stands for this one proof, until ``until`` (Unix seconds)
    it would be accepted again.
    """

    jkt: str
    jti: str
    nonce: str | None
    until: float

    @property
    def name(self) -> str:
        return f"{self.jkt} {self.jti}"


def check_proof(text: str, demands: Demands, now: float) -> Proof:
    """RFC 9449 4.3, its points 2 to 11 but for the nonce. Raises JoseError; reason ``proof`` for a claim."""
    if len(text) > _MAX_PROOF:
        raise JoseError("too_large", f"the proof has {len(text)} characters, expected at most {_MAX_PROOF}")
    signed = read_signed(text, algorithms=demands.algorithms, typ=(TYPE,))
    header, claims = signed.token.header, signed.token.claims
    jwk = header.get("jwk")
    if not isinstance(jwk, Mapping):
        raise JoseError("key", "the proof's header holds no key (jwk)")
    key = PublicKey.from_jwk(jwk, header["alg"])
    # The claims first: what is late or meant for elsewhere then costs no arithmetic.
    jti = _check_claims(claims, demands, now)
    signed.proved_by(key)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str | None):
        raise _wrong("nonce", nonce, "a text")
    return Proof(thumbprint(key.jwk), jti, nonce, float(claims["iat"]) + demands.max_age + demands.leeway)


def token_hash(access_token: str) -> str:
    """The ``ath`` of an access token (RFC 9449 4.2)."""
    return b64url(hashlib.sha256(access_token.encode("ascii")).digest()).decode()


def _check_claims(claims: Mapping[str, Any], demands: Demands, now: float) -> str:
    jti, method, uri = (claims.get(name) for name in ("jti", "htm", "htu"))
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
        raise _wrong("jti", jti, f"a fresh text of 1 to {_MAX_JTI} characters")
    if method != demands.method:
        raise _wrong("htm", method, demands.method)
    if not isinstance(uri, str) or normal_uri(uri) != normal_uri(demands.url):
        raise _wrong("htu", uri, demands.url)
    _check_times(claims, demands, now)
    if demands.access_token is not None:
        bound = claims.get("ath")
        expected = token_hash(demands.access_token)
        if not isinstance(bound, str) or not bound.isascii() or not hmac.compare_digest(bound, expected):
            raise _wrong("ath", bound, "the SHA-256 of the access token that came with it, base64url")
    return jti


def _check_times(claims: Mapping[str, Any], demands: Demands, now: float) -> None:
    issued = _moment(claims, "iat")
    if issued is None:
        raise _wrong("iat", None, "the time it was made")
    if now - issued > demands.max_age:
        raise JoseError("proof", f"the proof was made {now - issued:.0f} s ago, expected at most {demands.max_age:g}")
    if issued - now > demands.leeway:
        raise JoseError("proof", f"the proof's iat lies {issued - now:.0f} s in the future: compare the clocks")
    begins, ends = _moment(claims, "nbf"), _moment(claims, "exp")
    if begins is not None and begins - now > demands.leeway:
        raise JoseError("proof", f"the proof is valid only in {begins - now:.0f} s (nbf): compare the clocks")
    if ends is not None and now - ends > demands.leeway:
        raise JoseError("proof", f"the proof expired {now - ends:.0f} s ago (exp)")


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(name, value, "a number of seconds")
    return float(value)


def _wrong(name: str, value: object, expected: str) -> JoseError:
    received = "missing" if value is None else shown(value)
    return JoseError("proof", f"the proof's {name} is {received}, expected {expected}", received=received)
