"""Compact JWS whose signature is an HMAC (RFC 7518 section 3.2): read, never made, and only for client_secret_jwt.

The rest of this package knows no symmetric algorithm, so that no public key can ever be taken for a secret; whoever
calls this has a secret from its own store at hand, made for nothing else.
"""

import hmac
from collections.abc import Sequence

from .compact import Token, check_form, take_apart
from .errors import JoseError, shown

_HASHES = {"HS256": ("sha256", 32), "HS384": ("sha384", 48), "HS512": ("sha512", 64)}
MAC_ALGORITHMS = tuple(_HASHES)
# The block of SHA-256. HMAC puts the hash of a longer key in its place (RFC 2104 section 2): that hash, which is kept
# in the clear to name the secret by, would sign as well as the secret itself.
MOST_OCTETS = 64


def least_octets(alg: str) -> int:
    """The shortest secret for ``alg``: as long as the hash (RFC 7518 section 3.2)."""
    return _HASHES[alg][1]


def verify_mac(token: str, secrets: Sequence[bytes], *, algorithms: Sequence[str], typ: Sequence[str]) -> Token:
    """The token, once one of ``secrets`` proves its signature; ``typ`` as in ``verify_compact``.

    A secret too short for the token's algorithm proves nothing, an empty one least of all, nor does one of more than
    ``MOST_OCTETS``. ``JoseError`` as ``verify_compact``, with ``unknown_key`` where no secret is of use.
    """
    signed = take_apart(token)
    alg = signed.token.header["alg"]
    if alg not in algorithms or alg not in _HASHES:
        received, expected = shown(alg), " or ".join(name for name in algorithms if name in _HASHES)
        raise JoseError("algorithm", f"alg is {received}, expected {expected}", received=received, expected=expected)
    check_form(signed.token.header, typ)
    digest, least = _HASHES[alg]
    fitting = [secret for secret in secrets if least <= len(secret) <= MOST_OCTETS]
    if not fitting:
        raise JoseError("unknown_key", f"no secret of {least} to {MOST_OCTETS} octets is known, which {alg} needs")
    proved = [hmac.compare_digest(hmac.digest(secret, signed.message, digest), signed.signature) for secret in fitting]
    if not any(proved):
        raise JoseError("signature", f"the signature does not match ({alg})")
    return signed.token
