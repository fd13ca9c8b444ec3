"""Whoever can sign: a key in this process, or one that never leaves its vault."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .keys import PrivateKey, check_fits, public_jwk

_SHA256 = hashes.SHA256()
_ECDSA = ec.ECDSA(_SHA256)
_PKCS1 = padding.PKCS1v15()
# RFC 7518 section 3.5: the salt is as long as the hash.
_PSS = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=32)


class Signer(Protocol):
    """A private key that signs and shows its public half."""

    def jwk(self) -> Mapping[str, Any]:
        """The public JWK with ``kid``, ``alg`` and ``use`` = ``sig``; the same object each time."""

    async def sign(self, message: bytes) -> bytes:
        """The raw JOSE signature of ``message`` (ES256: r and s, 32 bytes each; RFC 7518 section 3.4)."""


class LocalSigner:
    """A ``Signer`` whose key lives in this process. ``JoseError`` where key and ``alg`` do not fit."""

    __slots__ = ("_jwk", "_key", "_pss")

    def __init__(self, private_key: PrivateKey, kid: str, alg: str):
        check_fits(private_key, alg)
        self._key = private_key
        self._pss = alg == "PS256"
        self._jwk = MappingProxyType({**public_jwk(private_key), "kid": kid, "alg": alg, "use": "sig"})

    def jwk(self) -> Mapping[str, Any]:
        return self._jwk

    async def sign(self, message: bytes) -> bytes:
        # In the event loop on purpose: 25 us (ES256) is less than a thread's round trip costs, and 250 us
        # (RS256) is not worth one either.
        return self.sign_now(message)

    def sign_now(self, message: bytes) -> bytes:
        """``sign`` for callers without an event loop."""
        key = self._key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(key.sign(message, _ECDSA))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(message, _PSS if self._pss else _PKCS1, _SHA256)
        return key.sign(message)

    def __repr__(self) -> str:
        return f"LocalSigner(kid={self._jwk['kid']!r}, alg={self._jwk['alg']!r})"
