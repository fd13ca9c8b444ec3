"""From an issuer's name to its key set: discovery, then the JWKS (OpenID Connect Discovery 4, RFC 8414 3)."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from idp.jose.errors import JoseError, shown
from idp.jose.json import loads_strict
from idp.jose.jwks_rules import Fetched

from .fetch import Fetch, FetchError, Response, target

_ACCEPT = {"Accept": "application/json"}


def discovery_urls(issuer: str) -> tuple[str, str]:
    """Where metadata may stand: OpenID Connect appends to its path, RFC 8414 inserts before it."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )


def jwks_uri_of(metadata: Mapping[str, Any], issuer: str) -> str:
    """The key set's address out of an issuer's metadata; ``FetchError`` where the metadata is not its own.

    The issuer is compared letter by letter (OpenID Connect Discovery 4.3): otherwise one issuer's document
    could name another's keys. Keys of an https issuer are fetched by https only.
    """
    named = metadata.get("issuer")
    if named != issuer:
        raise FetchError(f"the metadata is of issuer {shown(named)}, expected {issuer}")
    address = metadata.get("jwks_uri")
    if not isinstance(address, str):
        raise FetchError(f"the metadata of {issuer} names no jwks_uri")
    if target(issuer).secure and not target(address).secure:
        raise FetchError(f"{issuer} names a jwks_uri that is not https: {shown(address)}")
    return address


class KeySource:
    """Fetches one issuer's key set, finding its address first; blocking, one call at a time.

    The address is kept until a fetch from it fails: an issuer that moves its keys is followed at the next
    try.
    """

    def __init__(self, issuer: str, jwks_uri: str | None, algorithms: Sequence[str], fetch: Fetch) -> None:
        target(jwks_uri or issuer)  # a wrong address is refused where it was written down
        self._issuer = issuer
        self._algorithms = algorithms
        self._fixed = jwks_uri
        self._found = jwks_uri
        self._fetch = fetch

    def fetch(self, etag: str | None) -> Fetched:
        """One renewal; raises ``FetchError``, ``JoseError`` or whatever the injected fetch raises."""
        if self._found is None:
            self._found = self._discover()
        headers = _ACCEPT if etag is None else {**_ACCEPT, "If-None-Match": etag}
        try:
            answer = self._fetch(self._found, headers)
            return Fetched.from_http(answer.status, answer.headers, answer.body, self._algorithms)
        except JoseError as error:
            address, self._found = self._found, self._fixed
            raise FetchError(f"{address}: {error}") from error
        except Exception:
            self._found = self._fixed
            raise

    def _discover(self) -> str:
        first, second = discovery_urls(self._issuer)
        answer = self._fetch(first, _ACCEPT)
        if answer.status == 404:
            answer = self._fetch(second, _ACCEPT)
        return jwks_uri_of(_metadata(answer, first), self._issuer)


def _metadata(answer: Response, url: str) -> Mapping[str, Any]:
    if answer.status != 200:
        raise FetchError(f"{url} answered with status {answer.status}, expected 200")
    try:
        value = loads_strict(answer.body)
    except JoseError as error:
        raise FetchError(f"{url}: {error}") from error
    if not isinstance(value, dict):
        raise FetchError(f"{url} holds no JSON object")
    return value
