"""DPoP at a resource server (RFC 9449 sections 4.3, 7.1 and 11.1): which proofs count, and that each counts once."""

import hashlib
import hmac
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from idp.jose.dpop import ALGORITHMS, LEEWAY, MAX_AGE, Demands, Proof, check_proof
from idp.jose.errors import JoseError

from .refused import Refused

_MOST = 100_000  # proofs remembered; at 80 bytes each, 20 MB with their table


class Replays(Protocol):
    """Remembers proofs: ``first`` is true for the first call with a name, and false for others until ``until``.

    ``until`` is in Unix seconds. A memory that several processes share may answer with an awaitable, for verifiers
    used in an event loop.
    """

    def first(self, name: str, until: float) -> "bool | Awaitable[bool]": ...


class MemoryReplays:
    """One process's memory, safe for threads: at most ``most`` proofs, the oldest forgotten first.

    With the default that happens past 1,300 requests a second; several processes need a memory they share.
    """

    def __init__(self, clock: Callable[[], float], most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._seen: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def first(self, name: str, until: float) -> bool:
        key = hashlib.blake2b(name.encode(), digest_size=16).digest()
        now = self._clock()
        with self._lock:
            known = self._seen.get(key)
            if known is not None and known >= now:
                return False
            self._seen.pop(key, None)  # so that it stands last again
            self._forget(now)
            self._seen[key] = until
            return True

    def _forget(self, now: float) -> None:
        # Two of the oldest at each call: what has expired goes as fast as it came, and no call is long.
        for _ in range(2):
            oldest = next(iter(self._seen), None)
            if oldest is None or (self._seen[oldest] >= now and len(self._seen) < self._most):
                return
            del self._seen[oldest]


@dataclass(frozen=True, slots=True)
class Dpop:
    """How a ``Verifier`` takes DPoP. ``required``: tokens that are bound to no key are refused.

    ``replays`` remembers proofs, None being a memory of this process. ``max_age`` and ``leeway`` in seconds: how old
    a proof may be, and how far ahead a client's clock.
    """

    required: bool = False
    algorithms: Sequence[str] = ALGORITHMS
    replays: Replays | None = None
    max_age: float = MAX_AGE
    leeway: float = LEEWAY


Headers: TypeAlias = "Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows: one Authorization header, and every DPoP header."""

    authorization: str | None
    proofs: tuple[str, ...]

    @classmethod
    def of(cls, headers: Headers) -> "Credentials":
        """From a mapping, or from pairs as text or as ASGI's bytes. ``Refused`` for two Authorization headers."""
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        named: dict[str, list[str]] = {"authorization": [], "dpop": []}
        for name, value in pairs:
            kept = named.get(_text(name).lower())
            if kept is not None:
                kept.append(_text(value))
        if len(named["authorization"]) > 1:
            raise Refused("malformed_request", "the request holds two Authorization headers, expected one")
        return cls(next(iter(named["authorization"]), None), tuple(named["dpop"]))

    @property
    def by_dpop(self) -> bool:
        return self.authorization is not None and self.authorization.strip().partition(" ")[0].lower() == "dpop"


def proved(proofs: Sequence[str], demands: Demands, claims: Mapping[str, Any], now: float) -> Proof:
    """The one proof of a request, signed by the key its token is bound to. Raises ``Refused``."""
    if len(proofs) != 1:
        raise Refused("proof", f"the request holds {len(proofs) or 'no'} DPoP headers, expected one with a proof")
    try:
        proof = check_proof(proofs[0], demands, now)
    except JoseError as error:
        raise Refused("proof", str(error), received=error.received, expected=error.expected) from error
    if not hmac.compare_digest(bound_key(claims) or "", proof.jkt):
        raise Refused("proof", "the proof is signed by another key than the token is bound to")
    return proof


def at_once(first: "bool | Awaitable[bool]") -> bool:
    """The answer of a memory that needs no event loop; ``TypeError`` for another."""
    if isinstance(first, bool):
        return first
    if inspect.iscoroutine(first):
        first.close()
    raise TypeError("this memory of proofs needs an event loop: call verify_request")


def bound_key(claims: Mapping[str, Any]) -> str | None:
    """The thumbprint a token is bound to; None where it is bound to nothing. ``Refused`` for what is not known here."""
    if "cnf" not in claims:
        return None
    confirmation = claims["cnf"]
    jkt = confirmation.get("jkt") if isinstance(confirmation, Mapping) and len(confirmation) == 1 else None
    if not isinstance(jkt, str) or not jkt.isascii():
        raise Refused("bound", "the token is bound by something else than the thumbprint of a key (cnf.jkt)")
    return jkt


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
