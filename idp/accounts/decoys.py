"""What checking a password costs for a name that nobody has, so that time does not tell who exists (EN-02).

Imported hashes cost up to twenty times ours until their owner's first sign-in. Were every unknown name cheap, a slow
answer would say "this person exists". So an unknown name is given one of the costs that stored hashes have, as often as
they have it: chosen by a keyed hash of the name, the same at each try and on every node. As people sign in, ever more
names, known or not, become cheap; a name never moves from one foreign cost to another (weighted rendezvous hashing).
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Mapping


class Decoys:
    """``common`` is the hash an unknown name is checked against while nothing has been counted."""

    def __init__(self, common: str) -> None:
        self._common = common
        self._key = b""
        self._shares: tuple[tuple[str, str, int], ...] = ()

    def learn(self, key: bytes, shares: Mapping[str, tuple[str, int]]) -> None:
        """``shares``: for each cost a hash that has it and how many people's hashes do. ``key`` is every node's."""
        self._key = key
        self._shares = tuple((cost, hashed, count) for cost, (hashed, count) in shares.items())

    @property
    def known(self) -> bool:
        return bool(self._shares)

    def for_name(self, name: str) -> str:
        """The hash to check in vain."""
        if len(self._shares) < 2:
            return self._shares[0][1] if self._shares else self._common
        return min(self._shares, key=lambda share: self._distance(share[0], name) / share[2])[1]

    def _distance(self, cost: str, name: str) -> float:
        """Exponentially distributed, so that the smallest quotient falls to each cost in proportion to its count."""
        digest = hmac.digest(self._key, f"{cost}\0{name}".encode("utf-8", "surrogatepass"), "sha256")
        return -math.log((int.from_bytes(digest[:7]) + 1) / 2**56)
