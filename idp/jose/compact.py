"""Compact JWS: writing ours around a ``Signer``, reading anybody's under one policy (RFC 7515, RFC 8725)."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from joserfc.errors import JoseError as ForeignError
from joserfc.jws import JWSRegistry

from .encoding import b64url, b64url_decode
from .errors import JoseError, shown
from .json import loads_strict
from .public import VERIFYING_ALGORITHMS, PublicKey
from .signer import Signer

MAX_TOKEN = 16 * 1024
MAX_HEADER = 4096  # a DPoP proof carries an RSA key in its header: 550 bytes and more

FindKey: TypeAlias = Callable[[Mapping[str, Any]], PublicKey | None]


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart. Whether its signature was checked depends on the function that gave it."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


_registry = JWSRegistry(algorithms=VERIFYING_ALGORITHMS)
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@lru_cache(maxsize=256)
def _header(alg: str, kid: str, typ: str) -> bytes:
    return b64url(_encode({"alg": alg, "kid": kid, "typ": typ}).encode()) + b"."


async def sign_compact(signer: Signer, typ: str, claims: Mapping[str, Any]) -> str:
    """The compact JWS of ``claims`` under the header members alg, kid and typ (RFC 7515 section 3.1)."""
    jwk = signer.jwk()
    message = _header(jwk["alg"], jwk["kid"], typ) + b64url(_encode(claims).encode())
    return (message + b"." + b64url(await signer.sign(message))).decode("ascii")


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A well-formed token that keeps the policy and still waits for its key: believe nothing in it yet."""

    token: Token
    message: bytes
    signature: bytes

    def proved_by(self, key: PublicKey) -> Token:
        """The token, its signature checked; ``JoseError`` ``algorithm`` or ``signature``."""
        _check_key(self.token.header["alg"], key)
        if not _proved(self, key):
            raise JoseError("signature", f'the signature does not match (key "{shown(key.kid)}", {key.alg})')
        return self.token


def read_unverified(token: str) -> Token:
    """The token's header and claims with **no** signature checked: for looking, and for finding the issuer.

    At most 16 KiB with a header of at most 4096 bytes; ``JoseError`` (``malformed``, ``too_large``,
    ``algorithm``) for anything that is not three base64url parts holding two JSON objects.
    """
    return take_apart(token).token


def read_signed(token: str, *, algorithms: Sequence[str], typ: Sequence[str]) -> SignedToken:
    """``verify_compact`` up to the point where a key is needed, for callers that must wait for one."""
    signed = take_apart(token)
    _check_policy(signed.token.header, algorithms, typ)
    return signed


def verify_compact(token: str, keys: FindKey, *, algorithms: Sequence[str], typ: Sequence[str]) -> Token:
    """The token, once its signature is proved.

    ``keys`` maps the header to the one key that may have signed it, or None; the key names its algorithm and
    the header must name the same (RFC 8725 section 3.1). Keys and locations inside the header (jwk, jku, x5u,
    x5c) are never looked at. ``typ`` lists the accepted types (RFC 8725 section 3.11), case and a leading
    ``application/`` ignored; ``""`` stands for a token without one. ``JoseError`` with reason ``malformed``,
    ``too_large``, ``algorithm``, ``critical``, ``typ``, ``unknown_key`` or ``signature``.
    """
    signed = read_signed(token, algorithms=algorithms, typ=typ)
    header = signed.token.header
    key = keys(header)
    if key is None:
        raise JoseError("unknown_key", f'no key is known for kid "{shown(header.get("kid", "(none)"))}"')
    return signed.proved_by(key)


def take_apart(token: str) -> SignedToken:
    """The token's three parts in their bounds, nothing proved; for this package alone."""
    if not isinstance(token, str) or not token.isascii():
        raise JoseError("malformed", "the token holds characters that no JWT has")
    if len(token) > MAX_TOKEN:
        raise JoseError("too_large", f"the token has {len(token)} characters, expected at most {MAX_TOKEN}")
    raw = token.encode("ascii")
    parts = raw.split(b".", 5)
    if len(parts) != 3:
        what = "an encrypted token (JWE), not accepted here" if len(parts) == 5 else "no signed JWT"
        count = str(len(parts)) if len(parts) < 6 else "more than 5"
        raise JoseError("malformed", f"the token has {count} parts, expected 3: it is {what}")
    header_bytes = b64url_decode(parts[0], "header")
    if len(header_bytes) > MAX_HEADER:
        raise JoseError("too_large", f"the header has {len(header_bytes)} bytes, expected at most {MAX_HEADER}")
    header = _object(header_bytes, "header")
    _check_header(header)
    claims = _object(b64url_decode(parts[1], "payload"), "payload")
    signature = b64url_decode(parts[2], "signature")
    return SignedToken(Token(header, claims), raw[: raw.rindex(b".")], signature)


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = loads_strict(data)
    except JoseError as error:
        raise JoseError(error.reason, f"the {what} is refused: {error}") from error
    if not isinstance(value, dict):
        raise JoseError("malformed", f"the {what} is not a JSON object")
    return value


def _check_header(header: Mapping[str, Any]) -> None:
    for name in ("alg", "kid", "typ", "cty"):
        if name in header and not isinstance(header[name], str):
            raise JoseError("malformed", f"the header's {name} is not a text")
    if "alg" not in header:
        raise JoseError("algorithm", "the header names no algorithm")


def _check_policy(header: Mapping[str, Any], algorithms: Sequence[str], typ: Sequence[str]) -> None:
    alg = header["alg"]
    if alg not in algorithms or alg not in VERIFYING_ALGORITHMS:
        expected = " or ".join(name for name in algorithms if name in VERIFYING_ALGORITHMS)
        message = f"alg is {shown(alg)}, expected {expected}"
        raise JoseError("algorithm", message, received=shown(alg), expected=expected)
    check_form(header, typ)


def check_form(header: Mapping[str, Any], typ: Sequence[str]) -> None:
    """What holds for every token, whatever its algorithm; for this package alone."""
    if "crit" in header:  # RFC 7515 section 4.1.11: whoever does not know an extension must refuse
        raise JoseError("critical", f"the header demands extensions ({shown(header['crit'])}); none are known")
    if "b64" in header:  # RFC 7797 section 6: without crit it is invalid, with crit refused above
        raise JoseError("critical", "the header sets b64; only base64url payloads are accepted")
    received = header.get("typ", "")
    if _plain_type(received) not in map(_plain_type, typ):
        expected = " or ".join(name or "none" for name in typ)
        message = f"typ is {shown(received) or 'missing'}, expected {expected}"
        raise JoseError("typ", message, received=shown(received), expected=expected)


def _plain_type(name: str) -> str:
    # RFC 7515 section 4.1.9: "application/" may be left out; media types ignore case.
    return name.lower().removeprefix("application/")


def _check_key(alg: str, key: PublicKey) -> None:
    edwards = {"EdDSA", "Ed25519"}  # RFC 9864: the second name is the first with its curve spelled out
    if alg != key.alg and not {alg, key.alg} <= edwards:
        message = f'alg is {shown(alg)}, but the key "{shown(key.kid)}" is for {key.alg}'
        raise JoseError("algorithm", message, received=shown(alg), expected=key.alg)


def _proved(signed: SignedToken, key: PublicKey) -> bool:
    # Ed25519 under its newer name: the library warns about the older one, the arithmetic is the same.
    name = "Ed25519" if key.alg == "EdDSA" else key.alg
    try:
        algorithm = _registry.get_alg(name)
        algorithm.check_key(key.native)
        return algorithm.verify(signed.message, signed.signature, key.native)
    except (ForeignError, ValueError):
        return False
