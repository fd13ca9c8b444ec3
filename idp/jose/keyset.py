"""A set of public keys, and which of them a token means (RFC 7517 section 5, RFC 7515 section 4.1.4)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from .errors import JoseError, shown
from .json import loads_strict
from .public import PublicKey

MAX_KEYS = 100
MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable verification keys of one issuer or client, in the order they were published."""

    keys: tuple[PublicKey, ...]

    @classmethod
    def from_json(cls, data: bytes, preferred: Sequence[str] = ()) -> Self:
        """Read a JWK Set of at most 64 KiB; ``JoseError`` where it is none, or holds no key of use."""
        return cls.from_jwks(_parsed(data), preferred)

    @classmethod
    def of_client(cls, data: bytes) -> Self:
        """``from_json`` for the keys of a client: one that names no algorithm serves each that fits its kind."""
        return cls(_usable_keys(_parsed(data), PublicKey.each_from_jwk))

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, Any], preferred: Sequence[str] = ()) -> Self:
        """Read a JWK Set that is parsed already; ``preferred`` as in ``PublicKey.from_jwk``.

        Keys for other uses, of unknown kinds or too weak are skipped, as RFC 7517 section 5 asks; a set of
        more than 100 keys, or with none left, is refused: an empty answer must never replace working keys.
        """
        return cls(_usable_keys(jwks, lambda member: (PublicKey.from_jwk(member, preferred=preferred),)))

    def select(self, header: Mapping[str, Any]) -> PublicKey | None:
        """The one key a token with this header can mean, or None.

        A kid decides. Where the token or the set names none, the algorithm must leave exactly one key:
        trying several would let a stranger choose. A kid under another algorithm is returned too, so that
        the refusal can say so.
        """
        kid, alg = header.get("kid"), header.get("alg")
        if kid is not None:
            named = [key for key in self.keys if key.kid == kid]
            fitting = [key for key in named if key.alg == alg]
            if named:
                return (fitting or named)[0]
        pool = self.keys if kid is None else [key for key in self.keys if key.kid is None]
        only = [key for key in pool if key.alg == alg]
        return only[0] if len(only) == 1 else None

    def unknown(self, header: Mapping[str, Any]) -> JoseError:
        """The refusal of a token whose key is not in the set: what it names, and what there is."""
        known = ", ".join(shown(key.kid or f"a key without kid ({key.alg})", 60) for key in self.keys[:5])
        kid = header.get("kid")
        received = f'kid "{shown(kid)}"' if kid is not None else f"no kid, alg {shown(header.get('alg'))}"
        message = f"the token names {received}; the keys known are {known}"
        return JoseError("unknown_key", message, received=received, expected=known)


def _parsed(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise JoseError("too_large", f"the key set has {len(data)} bytes, expected at most {MAX_BYTES}")
    value = loads_strict(data)
    if not isinstance(value, dict):
        raise JoseError("malformed", "the key set is not a JSON object")
    return value


def _usable_keys(jwks: Mapping[str, Any], read: Callable[[Any], tuple[PublicKey, ...]]) -> tuple[PublicKey, ...]:
    members = jwks.get("keys")
    if not isinstance(members, list | tuple):
        raise JoseError("malformed", 'the key set has no list "keys"')
    if len(members) > MAX_KEYS:
        raise JoseError("too_large", f"the key set has {len(members)} keys, expected at most {MAX_KEYS}")
    keys = tuple(key for member in members for key in _if_usable(member, read))
    if not keys:
        raise JoseError("key", f"none of the {len(members)} keys in the set can verify a signature here")
    return keys


def _if_usable(member: Any, read: Callable[[Any], tuple[PublicKey, ...]]) -> tuple[PublicKey, ...]:
    try:
        return read(member)
    except JoseError:
        return ()
