"""What the framework adapters share: what a route asks for, where an API stands, and how a refusal is answered.

It knows no framework. An adapter hands over method, path and headers, and answers what comes back.
"""

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from .bearer import bearer_token
from .claims import VerifiedToken
from .core import Core, listed
from .proofs import Credentials, Headers
from .refused import Refused
from .verifier import SyncVerifier, Verifier

_UNESCAPED = "/:@!$&'()*+,;=~"  # what a path may hold as it is (RFC 3986 section 3.3)
V = TypeVar("V", Verifier, SyncVerifier)

# The tokens of one request, by the verifier that proved them: a DPoP proof counts once, a route may be guarded twice.
Kept = MutableMapping[object, VerifiedToken]


class Answer(NamedTuple):
    """A refusal as HTTP says it; ``body`` is JSON for people: error, reason, message, the two values that differ."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Asked(NamedTuple):
    """A request: ``path`` as the server sees it, still percent-encoded and without the query."""

    method: str
    path: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Demand:
    """What a route asks for beyond a good token: ``scopes`` all of them, ``acr_values`` one of them (RFC 9470),
    a sign-in of the last ``max_age`` seconds."""

    scopes: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    max_age: float | None = None

    @classmethod
    def of(cls, scopes: str | Iterable[str], acr_values: str | Iterable[str], max_age: float | None) -> "Demand":
        return cls(listed(scopes), listed(acr_values), max_age)

    def also(self, scopes: Iterable[str]) -> "Demand":
        """The same and more scopes, each once."""
        return Demand(tuple(dict.fromkeys((*self.scopes, *scopes))), self.acr_values, self.max_age)


class _Guard(Generic[V]):
    """A verifier at its place.

    ``base_url`` is what callers write before the path that this server sees, such as ``https://api.example.com``, by
    default the origin of the verifier's ``resource``. Proofs (DPoP) are compared with it and never with the Host
    header, which a caller chooses; with neither, bearer tokens alone are taken. ``realm`` goes into WWW-Authenticate.
    ``ValueError`` for an address that is none.
    """

    def __init__(self, verifier: V, base_url: str | None, realm: str | None) -> None:
        if base_url is None and verifier.resource is not None:
            parts = urlsplit(verifier.resource.identifier)
            base_url = f"{parts.scheme}://{parts.netloc}"
        self.verifier: V = verifier
        self.realm = realm
        self._base_url = base_url if base_url is None else _address(base_url).rstrip("/")

    def url(self, path: str) -> str | None:
        return None if self._base_url is None else self._base_url + path

    def challenge(self, refused: Refused) -> str:
        """The value of WWW-Authenticate."""
        return refused.www_authenticate() if self.realm is None else refused.www_authenticate(realm=self.realm)

    def answer(self, refused: Refused) -> Answer:
        headers = {"cache-control": "no-store"}
        if refused.status != 503:  # the keys are away: no other token would do better
            headers["www-authenticate"] = self.challenge(refused)
        return Answer(refused.status, headers, explained(refused))


class Guard(_Guard[Verifier]):
    """For adapters of an event loop."""

    async def verified(self, asked: Asked, demand: Demand, kept: Kept) -> VerifiedToken:
        """The token of a request that is all ``demand`` says, or ``Refused``."""
        known = kept.get(self.verifier)
        if known is not None:
            return again(self.verifier, known, demand)
        url, scopes, acr, age = self.url(asked.path), demand.scopes, demand.acr_values, demand.max_age
        if url is None:
            token = await self.verifier.verify(_bearer(asked), scopes, acr_values=acr, max_age=age)
        else:
            request = asked.method, url, asked.headers
            token = await self.verifier.verify_request(*request, scopes, acr_values=acr, max_age=age)
        kept[self.verifier] = token
        return token


class SyncGuard(_Guard[SyncVerifier]):
    """For adapters without an event loop."""

    def verified(self, asked: Asked, demand: Demand, kept: Kept) -> VerifiedToken:
        """``Guard.verified``, waiting where keys must be fetched."""
        known = kept.get(self.verifier)
        if known is not None:
            return again(self.verifier, known, demand)
        url, scopes, acr, age = self.url(asked.path), demand.scopes, demand.acr_values, demand.max_age
        if url is None:
            token = self.verifier.verify(_bearer(asked), scopes, acr_values=acr, max_age=age)
        else:
            request = asked.method, url, asked.headers
            token = self.verifier.verify_request(*request, scopes, acr_values=acr, max_age=age)
        kept[self.verifier] = token
        return token


def again(verifier: Core, token: VerifiedToken, demand: Demand) -> VerifiedToken:
    """A token that was proved before in this request, if it is enough here too; else ``Refused``, as the verifier's."""
    return verifier.enough(token, demand.scopes, acr_values=demand.acr_values, max_age=demand.max_age)


def explained(refused: Refused) -> dict[str, Any]:
    """The JSON body of a refusal; ``error`` is RFC 6750's word, or where it has none the reason."""
    body = {
        "error": refused.error or refused.reason,
        "reason": refused.reason,
        "message": str(refused),
        "received": refused.received,
        "expected": refused.expected,
    }
    return {name: value for name, value in body.items() if value is not None}


def is_preflight(method: str, names: Iterable[str]) -> bool:
    """Whether a browser asks if it may ask (CORS): such a request never carries a token. ``names`` in lower case."""
    return method == "OPTIONS" and {"origin", "access-control-request-method"} <= set(names)


def escaped(path: str) -> str:
    """A decoded path as it stands in an address."""
    return quote(path, safe=_UNESCAPED)


def _bearer(asked: Asked) -> str:
    return bearer_token(Credentials.of(asked.headers).authorization)


def _address(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"base_url is {base_url!r}, expected an address such as https://api.example.com")
    return base_url
