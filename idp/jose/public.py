"""A public key of anybody, checked once when it is read (RFC 7517, RFC 8725 sections 3.1 and 3.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc.errors import JoseError as ForeignError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from .encoding import b64url_decode
from .errors import JoseError, shown
from .keys import public_jwk

NativeKey: TypeAlias = RSAKey | ECKey | OKPKey

# Which algorithms a kind of key may be named for; the first is meant where a key names none.
_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVE_ALGORITHMS = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
}
VERIFYING_ALGORITHMS = (*_RSA_ALGORITHMS, "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
# Fewer bits can be broken; more are a free way to make each verification slow.
_MIN_BITS, _MAX_BITS = 2048, 8192
_MAX_MEMBER = 1400  # characters: base64url of 8192 bits
_MAX_EXPONENT = 6  # characters: 32 bits; a long one is slow too


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One verification key: its ``kid`` (None if it has none), its one ``alg``, its public ``jwk``."""

    kid: str | None
    alg: str
    jwk: Mapping[str, Any]
    native: NativeKey = field(repr=False, compare=False)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any], alg: str | None = None, *, preferred: Sequence[str] = ()) -> Self:
        """Read a JWK. One key has one algorithm: what it names, else ``alg`` (which must fit its kind), else
        the first of ``preferred`` that fits, else RS256, ES256/384/512 or EdDSA.

        ``JoseError("key")`` for private or symmetric keys, RSA outside 2048-8192 bits, points off the curve,
        unknown kinds, keys meant for encryption and algorithms that do not fit the kind.
        """
        if not isinstance(jwk, Mapping):
            raise JoseError("key", "the key is not a JSON object")
        kty = jwk.get("kty")
        names = _MEMBERS.get(kty) if isinstance(kty, str) else None
        if not isinstance(kty, str) or names is None:
            raise JoseError("key", f'kty is "{shown(kty)}"; only RSA, EC and OKP keys verify signatures here')
        if private := _PRIVATE_MEMBERS.intersection(jwk):
            found = ", ".join(sorted(private))
            raise JoseError("key", f"the key holds private members ({found}); a public key is expected")
        _check_purpose(jwk)
        members = {"kty": kty, **_text_members(jwk, names)}
        algorithm = _algorithm(kty, members.get("crv"), jwk.get("alg", alg), preferred)
        native = _native(kty, members)
        kid = _kid(jwk)
        named = {} if kid is None else {"kid": kid}
        return cls(kid, algorithm, MappingProxyType({**members, **named, "alg": algorithm, "use": "sig"}), native)

    @classmethod
    def from_pem(
        cls,
        pem: bytes,
        alg: str | None = None,
        *,
        kid: str | None = None,
        preferred: Sequence[str] = (),
    ) -> Self:
        """Read a PEM public key (SubjectPublicKeyInfo); the rules and errors of ``from_jwk``."""
        try:
            key = load_pem_public_key(pem)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            hint = "; it holds a private key, never hand that out" if b"PRIVATE KEY" in pem else ""
            raise JoseError("key", f"the text is no public key in PEM{hint}") from error
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | Ed25519PublicKey):
            raise JoseError("key", "the PEM key is neither RSA, nor EC, nor Ed25519")
        return cls.from_jwk({**public_jwk(key), **({} if kid is None else {"kid": kid})}, alg, preferred=preferred)

    @classmethod
    def each_from_jwk(cls, jwk: Mapping[str, Any]) -> tuple[Self, ...]:
        """Read a JWK once for each algorithm it may be used with: the one it names, else all that fit its kind.

        For the keys of clients, who may leave ``alg`` out and sign with what they registered (RFC 7517 section 4.4).
        """
        first = cls.from_jwk(jwk)
        if "alg" in jwk:
            return (first,)
        fitting = _fitting(first.jwk["kty"], first.jwk.get("crv"))
        return tuple(replace(first, alg=alg, jwk=MappingProxyType({**first.jwk, "alg": alg})) for alg in fitting)

    def to_pem(self) -> bytes:
        """The key as PEM SubjectPublicKeyInfo, for tools that know no JWK. It carries neither kid nor alg."""
        return self.native.as_pem(private=False)


def is_public(jwk: Mapping[str, Any]) -> bool:
    """Whether the key holds no private member, whatever else is wrong with it."""
    return _PRIVATE_MEMBERS.isdisjoint(jwk)


def _check_purpose(jwk: Mapping[str, Any]) -> None:
    if jwk.get("use", "sig") != "sig":
        raise JoseError("key", f'the key is for use "{shown(jwk["use"])}", expected sig')
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list | tuple) or "verify" not in operations:
        raise JoseError("key", f"the key's key_ops are {shown(operations)}, expected verify among them")


def _text_members(jwk: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    members = {}
    for name in names:
        value = jwk.get(name)
        limit = _MAX_EXPONENT if name == "e" else _MAX_MEMBER
        if not isinstance(value, str) or not 0 < len(value) <= limit:
            raise JoseError("key", f'the key\'s member "{name}" is missing, no text or too long')
        members[name] = value
    return members


def _kid(jwk: Mapping[str, Any]) -> str | None:
    kid = jwk.get("kid")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= 256):
        raise JoseError("key", f'kid is "{shown(kid)}"; a text of 1 to 256 characters is expected')
    return kid


def _fitting(kty: str, curve: str | None) -> tuple[str, ...]:
    return _RSA_ALGORITHMS if kty == "RSA" else _CURVE_ALGORITHMS.get((kty, str(curve)), ())


def _algorithm(kty: str, curve: str | None, named: object, preferred: Sequence[str]) -> str:
    fitting = _fitting(kty, curve)
    if not fitting:
        raise JoseError("key", f'the curve "{shown(curve)}" is not used for signatures here')
    if named is None:
        return next((alg for alg in preferred if alg in fitting), fitting[0])
    if not isinstance(named, str) or named not in fitting:
        raise JoseError("key", f'the key\'s alg is "{shown(named)}"; its kind signs {", ".join(fitting)}')
    return named


def _native(kty: str, members: dict[str, str]) -> NativeKey:
    if kty == "RSA":
        _check_modulus(members["n"])
    try:
        return _import(kty, members)
    # The parser and the arithmetic below it answer a hostile key with many kinds of exception.
    except (ForeignError, ValueError, TypeError, ArithmeticError, UnsupportedAlgorithm) as error:
        raise JoseError("key", f"the {kty} key cannot be read: its numbers make no key") from error


def _check_modulus(text: str) -> None:
    try:
        modulus = int.from_bytes(b64url_decode(text.encode(), "modulus"), "big")
    except (JoseError, UnicodeEncodeError) as error:
        raise JoseError("key", "the RSA key's modulus is not base64url without padding") from error
    if not _MIN_BITS <= modulus.bit_length() <= _MAX_BITS:
        bits = modulus.bit_length()
        raise JoseError("key", f"the RSA key has {bits} bits, expected {_MIN_BITS} to {_MAX_BITS}")
    if modulus % 2 == 0:
        raise JoseError("key", "the RSA key's modulus is even: it is no product of two primes")


def _import(kty: str, members: dict[str, str]) -> NativeKey:
    if kty == "RSA":
        return RSAKey.import_key(dict(members))
    if kty == "EC":
        return ECKey.import_key(dict(members))
    return OKPKey.import_key(dict(members))
