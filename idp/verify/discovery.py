"""From an issuer's name to its key set: discovery, then the JWKS (OpenID Connect Discovery 4, RFC 8414 3)."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from idp.jose.errors import JoseError, shown
from idp.jose.json import loads_strict
from idp.jose.jwks_rules import Fetched

from .fetch import Fetch, FetchError, Response, target

_ACCEPT = {"Accept": "application/json"}
_LIFE = 86_400.0  # seconds after which an address that still works is looked up again
_FIRST_WAIT, _MOST_WAIT = 1.0, 30.0  # seconds between two tries at an issuer that does not answer


def discovery_urls(issuer: str) -> tuple[str, ...]:
    """Where metadata may stand: OpenID Connect appends to its path, RFC 8414 inserts before it.

    The third place, for issuers with a path alone, is OpenID's name at RFC 8414's place (its section 5).
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    usual = (
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )
    return (*usual, f"{origin}/.well-known/openid-configuration{path}") if path else usual


def check_named(metadata: Mapping[str, Any], issuer: str) -> None:
    """``FetchError`` where the metadata is not the issuer's own.

    Compared letter by letter (OpenID Connect Discovery 4.3): otherwise one issuer's document could name another's keys.
    """
    named = metadata.get("issuer")
    if named == issuer:
        return
    message = f"the metadata is of issuer {shown(named)}, expected {issuer}"
    if isinstance(named, str) and named.rstrip("/") == issuer.rstrip("/"):
        message += " (they differ in the slash at the end: write it as the metadata does)"
    raise FetchError(message)


def endpoint_of(metadata: Mapping[str, Any], issuer: str, member: str) -> str:
    """An address out of an issuer's metadata; ``FetchError`` where there is none, or an https issuer names http."""
    address = metadata.get(member)
    if not isinstance(address, str):
        raise FetchError(f"the metadata of {issuer} names no {member}")
    if target(issuer).secure and not target(address).secure:
        raise FetchError(f"{issuer} names a {member} that is not https: {shown(address)}")
    return address


class Metadata:
    """One issuer's metadata, blocking, for threads: one looks, the others wait for what it finds.

    What was found is kept for a day, past that too while the issuer does not answer. An issuer that does not answer is
    asked again after 1 s, then after 2, 4 and so on up to 30; whoever asks in between hears the last error.
    """

    def __init__(self, issuer: str, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._held: Mapping[str, Any] | None = None
        self._fresh = (0.0, 0.0)  # from when until when what is held needs no new look
        self._error: FetchError | None = None
        self._paused = (0.0, 0.0)

    def endpoint(self, member: str) -> str:
        """The address named by ``member``; ``FetchError``."""
        with self._lock:
            known = self._known()
            try:
                return endpoint_of(known, self._issuer, member)
            except FetchError:
                since, until = self._fresh
                self._fresh = since, min(until, since + _MOST_WAIT)  # it may be mended any moment
                raise

    def look_again(self) -> None:
        """At the next call: an address did not answer, and may have moved."""
        with self._lock:
            self._fresh = 0.0, 0.0

    def _known(self) -> Mapping[str, Any]:
        now = self._clock()
        if self._held is None or not self._fresh[0] <= now < self._fresh[1]:
            if not self._paused[0] <= now < self._paused[1]:
                self._look(now)
            if self._held is None:
                raise FetchError(str(self._error))
        return self._held

    def _look(self, now: float) -> None:
        try:
            found = self._ask()
            check_named(found, self._issuer)
        except Exception as error:  # whatever an injected fetch raises
            self._error = FetchError(str(error) or type(error).__name__)
            wait = 2 * (self._paused[1] - self._paused[0])
            self._paused = now, now + min(max(_FIRST_WAIT, wait), _MOST_WAIT)
        else:
            self._held, self._fresh = found, (now, now + _LIFE)
            self._paused = 0.0, 0.0

    def _ask(self) -> Mapping[str, Any]:
        places = discovery_urls(self._issuer)
        for place in places:
            answer = self._fetch(place, _ACCEPT)
            # Not there is not in trouble: only then another place is asked.
            if not 400 <= answer.status < 500 or answer.status == 429:
                return _read(answer, place)
        return _read(answer, place)


class KeySource:
    """Fetches one issuer's key set, finding its address first where none is given; blocking, one call at a time.

    When a fetch fails the address is looked up again: an issuer that moves its keys is followed at the next try.
    """

    def __init__(self, jwks_uri: str | None, algorithms: Sequence[str], fetch: Fetch, metadata: Metadata) -> None:
        self._fixed = jwks_uri
        self._algorithms = algorithms
        self._fetch = fetch
        self._metadata = metadata

    def fetch(self, etag: str | None) -> Fetched:
        """One renewal; raises ``FetchError``, ``JoseError`` or whatever the injected fetch raises."""
        address = self._fixed or self._metadata.endpoint("jwks_uri")
        headers = _ACCEPT if etag is None else {**_ACCEPT, "If-None-Match": etag}
        try:
            answer = self._fetch(address, headers)
            return Fetched.from_http(answer.status, answer.headers, answer.body, self._algorithms)
        except JoseError as error:
            self._metadata.look_again()
            raise FetchError(f"{address}: {error}") from error
        except Exception:
            self._metadata.look_again()
            raise


def _read(answer: Response, url: str) -> Mapping[str, Any]:
    if answer.status != 200:
        raise FetchError(f"{url} answered with status {answer.status}, expected 200")
    try:
        value = loads_strict(answer.body)
    except JoseError as error:
        raise FetchError(f"{url}: {error}") from error
    if not isinstance(value, dict):
        raise FetchError(f"{url} holds no JSON object")
    return value
