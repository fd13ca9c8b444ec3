"""Where a verifier's keys come from: handed over once, or fetched and kept under the rules of a cache."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from idp.jose.errors import JoseError
from idp.jose.jwks_rules import CacheLimits
from idp.jose.keyset import KeySet
from idp.jose.public import PublicKey

# A JWK Set (parsed, or as JSON text), or one or more PEM public keys.
StaticKeys: TypeAlias = Mapping[str, Any] | str | bytes

_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)


class Keys(Protocol):
    """What finds the key of a token header; both ways raise ``JoseError``. ``skew`` is in seconds, None if unknown."""

    @property
    def skew(self) -> float | None: ...

    async def find(self, header: Mapping[str, Any]) -> PublicKey: ...

    def find_blocking(self, header: Mapping[str, Any]) -> PublicKey: ...


class Static:
    """Keys that were handed over: nothing is fetched, nothing grows old."""

    skew = None

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    async def find(self, header: Mapping[str, Any]) -> PublicKey:
        return self.find_blocking(header)

    def find_blocking(self, header: Mapping[str, Any]) -> PublicKey:
        key = self._keys.select(header)
        if key is None:
            raise self._keys.unknown(header)
        return key


def read_static(keys: StaticKeys, algorithms: Sequence[str]) -> KeySet:
    """``ValueError`` for what is neither a JWK Set nor PEM public keys."""
    try:
        if isinstance(keys, Mapping):
            return KeySet.from_jwks(keys, algorithms)
        data = keys.encode() if isinstance(keys, str) else keys
        blocks = _PEM.findall(data)
        if not blocks:
            return KeySet.from_json(data, algorithms)
        return KeySet(tuple(PublicKey.from_pem(block + b"\n", preferred=algorithms) for block in blocks))
    except JoseError as error:
        raise ValueError(f"jwks is neither a JWK Set nor PEM public keys: {error}") from error


_MOST_STALE = 7 * 86_400


def cache_limits(cooldown: float, stale_if_error: float) -> CacheLimits:
    """The rules of the cache with what a verifier's owner decides; ``ValueError`` for numbers out of bounds."""
    if not cooldown >= 0 or not 0 <= stale_if_error <= _MOST_STALE:
        raise ValueError(f"cooldown must not be negative, stale_if_error be 0 to {_MOST_STALE} seconds")
    usual = CacheLimits()
    return replace(
        usual,
        cooldown=cooldown,
        stale=stale_if_error,
        least_stale=min(usual.least_stale, stale_if_error),
        most_stale=max(usual.most_stale, stale_if_error),
    )
