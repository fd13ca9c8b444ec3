"""Our private keys: making, reading, writing and naming them (RFC 7517, 7518, 7638, 8037)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from .encoding import b64url
from .errors import JoseError, shown

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey
AnyPublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey

SIGNING_ALGORITHMS = ("RS256", "ES256", "PS256", "EdDSA")
_THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def generate_private_key(alg: str) -> PrivateKey:
    """A new key for ``alg``: RSA of 2048 bits for RS256 and PS256, P-256 for ES256, Ed25519 for EdDSA."""
    match alg:
        case "RS256" | "PS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "EdDSA":
            return Ed25519PrivateKey.generate()
    raise JoseError("algorithm", f"no key can be made for the algorithm {shown(alg)}; " + _known())


def private_key_to_der(key: PrivateKey) -> bytes:
    """PKCS #8, DER, not encrypted: seal it before it is stored."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def private_key_to_pem(key: PrivateKey) -> bytes:
    """PKCS #8, PEM, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def private_key_from_der(data: bytes) -> PrivateKey:
    """The key written by ``private_key_to_der``; ``JoseError("key")`` for anything else."""
    try:
        key = load_der_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise JoseError("key", "the bytes are no unencrypted private key in DER") from error
    return _known_private(key)


def private_key_from_pem(data: bytes) -> PrivateKey:
    """The key written by ``private_key_to_pem``; ``JoseError("key")`` for anything else."""
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise JoseError("key", "the text is no unencrypted private key in PEM") from error
    return _known_private(key)


def _known_private(key: object) -> PrivateKey:
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey):
        return key
    raise JoseError("key", "the private key is neither RSA, nor EC, nor Ed25519")


def _known() -> str:
    return "known are " + ", ".join(SIGNING_ALGORITHMS)


def check_fits(key: PrivateKey, alg: str) -> None:
    """Refuse to sign ``alg`` with a key of another kind, curve or strength (RFC 8725 section 3.1)."""
    fits = {
        "RS256": isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048,
        "PS256": isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048,
        "ES256": isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1),
        "EdDSA": isinstance(key, Ed25519PrivateKey),
    }
    if alg not in fits:
        raise JoseError("algorithm", f"{shown(alg)} is no signing algorithm here; " + _known())
    if not fits[alg]:
        raise JoseError("key", f"a key of type {type(key).__name__} cannot sign {alg}")


def public_jwk(key: PrivateKey | AnyPublicKey) -> dict[str, str]:
    """The public members alone: ``kty`` and what RFC 7518 section 6 or RFC 8037 section 2 asks for."""
    public = key if isinstance(key, AnyPublicKey) else key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        rsa_numbers = public.public_numbers()
        return {"kty": "RSA", "n": _integer(rsa_numbers.n), "e": _integer(rsa_numbers.e)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        point, size = public.public_numbers(), (public.curve.key_size + 7) // 8
        curve = _CURVES.get(public.curve.name)
        if curve is None:
            raise JoseError("key", f"the curve {public.curve.name} has no place in JOSE here")
        return {"kty": "EC", "crv": curve, "x": _integer(point.x, size), "y": _integer(point.y, size)}
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": b64url(raw).decode()}


def _integer(value: int, size: int | None = None) -> str:
    return b64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big")).decode()


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a key, base64url (RFC 7638): same key, same name, on every node."""
    kty = jwk.get("kty")
    names = _THUMBPRINT_MEMBERS.get(kty) if isinstance(kty, str) else None
    if names is None:
        raise JoseError("key", f'a key of kty "{shown(kty)}" has no thumbprint here')
    members = {name: jwk.get(name) for name in names}
    missing = [name for name in names if not isinstance(members[name], str)]
    if missing:
        raise JoseError("key", "the key lacks " + ", ".join(missing))
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return b64url(hashlib.sha256(text.encode()).digest()).decode()
