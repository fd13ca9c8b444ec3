"""``Verifier``: the one object a resource server keeps."""

import inspect
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from idp.jose import dpop as rules
from idp.jose.compact import SignedToken, Token, read_signed
from idp.jose.errors import JoseError
from idp.jose.jwks_cache import KeySetCache, in_thread
from idp.jose.jwks_rules import CacheLimits
from idp.jose.keyset import KeySet
from idp.jose.public import VERIFYING_ALGORITHMS, PublicKey

from .bearer import bearer_token, dpop_token
from .claims import Expected, VerifiedToken, check_claims
from .discovery import KeySource
from .fetch import Fetch, FetchError, get
from .proofs import Credentials, Dpop, Headers, MemoryReplays, Replays, at_once, bound_key, proved
from .refused import Refused

# A JWK Set (parsed, or as JSON text), or one or more PEM public keys.
StaticKeys: TypeAlias = Mapping[str, Any] | str | bytes

_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)


class _Keys(Protocol):
    async def find(self, header: Mapping[str, Any]) -> PublicKey: ...

    def find_blocking(self, header: Mapping[str, Any]) -> PublicKey: ...


class Verifier:
    """Verifies the access tokens of one issuer for one audience, with its public keys alone.

    Make one and keep it: it holds the cached keys, and may be shared by threads and event loops.

    ``issuer`` and ``audience`` (one or several, one of which must be in the token) are compared letter by
    letter. ``algorithms`` lists what is accepted, ``typ`` the accepted types (RFC 9068: ``at+jwt``; many
    other issuers write ``JWT``; ``""`` stands for none), ``leeway`` is in seconds. The keys come from
    discovery at the issuer, or from ``jwks_uri``, or, with nothing ever fetched, from ``jwks``: a JWK Set or
    PEM text. ``fetch`` replaces the built-in blocking GET, which honours SSL_CERT_FILE, follows no redirect
    and uses no proxy. ``cooldown`` is the least number of seconds between two fetches made for unknown key
    ids. ``dpop`` says how tokens bound to a key are taken (``verify_request``).

    Wrong arguments raise ``ValueError`` at once.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | Iterable[str],
        *,
        algorithms: Iterable[str] = ("RS256", "ES256"),
        leeway: float = 30,
        typ: str | Iterable[str] = "at+jwt",
        jwks_uri: str | None = None,
        jwks: StaticKeys | None = None,
        clock: Callable[[], float] = time.time,
        fetch: Fetch | None = None,
        cooldown: float = 30,
        dpop: Dpop = Dpop(),  # noqa: B008 - frozen
    ) -> None:
        self._algorithms = _listed(algorithms)
        self._typ = _listed(typ)
        self._expected = Expected(issuer, _listed(audience), leeway)
        self._clock = clock
        self._cooldown = cooldown
        self._dpop = dpop
        self._replays: Replays = dpop.replays or MemoryReplays(clock)
        self._check_arguments()
        self._keys: _Keys
        if jwks is not None:
            self._keys = _Static(_read_static(jwks, self._algorithms))
        else:
            try:
                source = KeySource(issuer, jwks_uri, self._algorithms, fetch or get)
            except FetchError as error:
                raise ValueError(str(error)) from error
            limits = CacheLimits(cooldown=self._cooldown)
            self._keys = KeySetCache(in_thread(source.fetch), clock=clock, limits=limits)

    def _check_arguments(self) -> None:
        unknown = [alg for alg in self._algorithms if alg not in VERIFYING_ALGORITHMS]
        if unknown or not self._algorithms:
            raise ValueError(f"algorithms {unknown} are not accepted; choose from {VERIFYING_ALGORITHMS}")
        if not self._expected.issuer or not all(self._expected.audience) or not self._expected.audience:
            raise ValueError("issuer and audience must be named: a token for somebody else is no token for you")
        if not self._typ or not 0 <= self._expected.leeway <= 300 or not self._cooldown >= 0:
            raise ValueError("typ must name a type, leeway be 0 to 300 seconds, cooldown not be negative")
        if not self._dpop.algorithms or not set(self._dpop.algorithms) <= set(rules.ALGORITHMS):
            raise ValueError(f"dpop.algorithms must be some of {rules.ALGORITHMS}")
        if not 0 < self._dpop.max_age <= 3600 or not 0 <= self._dpop.leeway <= 300:
            raise ValueError("dpop.max_age must be up to 3600 seconds, dpop.leeway 0 to 300")

    async def verify(
        self,
        token: str,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """The verified token, or ``Refused``; ``scopes`` must all be in it (else status 403).

        ``acr_values`` and ``max_age`` say how the person must have signed in, and how many seconds ago at most;
        otherwise the answer asks for a step-up (RFC 9470).

        Never blocks the event loop: where keys must be fetched, a thread does it. A token that is bound to a key
        (``cnf``) is refused here: who holds the key is seen in the request, by ``verify_request``.
        """
        return self._accepted(self._as_bearer(await self._proved(token)), scopes, acr_values, max_age)

    def verify_sync(
        self,
        token: str,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """``verify`` for code without an event loop; it waits where keys must be fetched."""
        return self._accepted(self._as_bearer(self._proved_sync(token)), scopes, acr_values, max_age)

    async def verify_request(
        self,
        method: str,
        url: str,
        headers: Headers,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """The verified token of a request: a bearer token, or one bound to a key with the proof of it (DPoP).

        ``url`` is the address the client called, as your API is known to its callers and not as a proxy calls you;
        query and fragment do not count. ``headers`` is a mapping or, so that a header sent twice is seen, pairs of
        name and value, as text or as ASGI's bytes. ``Refused`` as ``verify``, with the scheme to answer in.
        """
        with self._in_scheme(headers) as asked:
            if not asked.by_dpop:
                token = self._as_bearer(await self._proved(bearer_token(asked.authorization)))
            else:
                text = dpop_token(asked.authorization or "")
                token = await self._proved(text)
                first = self._first(method, url, text, asked, token)
                _once(await first if inspect.isawaitable(first) else first)
            return self._accepted(token, scopes, acr_values, max_age)

    def verify_request_sync(
        self,
        method: str,
        url: str,
        headers: Headers,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """``verify_request`` for code without an event loop."""
        with self._in_scheme(headers) as asked:
            if not asked.by_dpop:
                token = self._as_bearer(self._proved_sync(bearer_token(asked.authorization)))
            else:
                text = dpop_token(asked.authorization or "")
                token = self._proved_sync(text)
                _once(at_once(self._first(method, url, text, asked, token)))
            return self._accepted(token, scopes, acr_values, max_age)

    @contextmanager
    def _in_scheme(self, headers: Headers) -> Iterator[Credentials]:
        """What is refused of a request of the scheme DPoP, or to a request that should be, is answered in it."""
        by_dpop = self._dpop.required
        try:
            asked = Credentials.of(headers)
            by_dpop |= asked.by_dpop
            yield asked
        except Refused as refused:
            if by_dpop or refused.reason == "bound":
                refused.dpop = tuple(self._dpop.algorithms)
            raise

    def _as_bearer(self, token: Token) -> Token:
        if "cnf" in token.claims:
            message = "the token is bound to a key, and came without a proof of it"
            raise Refused("bound", message, expected="Authorization: DPoP TOKEN and a DPoP header")
        if self._dpop.required:
            raise Refused("bound", "the token is bound to no key; only bound tokens are taken here")
        return token

    def _first(self, method: str, url: str, text: str, asked: Credentials, token: Token) -> "bool | Awaitable[bool]":
        """Whether the proof of this request was never seen before; it is one, or ``Refused``."""
        if bound_key(token.claims) is None:
            raise Refused("bound", "the token is bound to no key: send it with Authorization: Bearer")
        limits = self._dpop
        demands = rules.Demands(method, url, text, limits.algorithms, limits.max_age, limits.leeway)
        proof = proved(asked.proofs, demands, token.claims, self._clock())
        return self._replays.first(proof.name, proof.until)

    async def _proved(self, token: str) -> Token:
        signed = self._read(token)
        try:
            return signed.proved_by(await self._keys.find(signed.token.header))
        except JoseError as error:
            raise _refusal(error) from error

    def _proved_sync(self, token: str) -> Token:
        signed = self._read(token)
        try:
            return signed.proved_by(self._keys.find_blocking(signed.token.header))
        except JoseError as error:
            raise _refusal(error) from error

    def _accepted(
        self, token: Token, scopes: Iterable[str], acr_values: Iterable[str], max_age: float | None
    ) -> VerifiedToken:
        verified = VerifiedToken.of(token)
        verified.require_scopes(*_listed(scopes))
        accepted = _listed(acr_values)
        if accepted or max_age is not None:
            leeway = self._expected.leeway
            verified.require_authentication(self._clock(), acr_values=accepted, max_age=max_age, leeway=leeway)
        return verified

    def _read(self, token: str) -> SignedToken:
        # The claims are judged before the signature: what they say can only lead to a refusal here, and a
        # token that is expired or meant for others then costs neither a fetch nor arithmetic.
        try:
            signed = read_signed(token, algorithms=self._algorithms, typ=self._typ)
        except JoseError as error:
            raise _refusal(error) from error
        check_claims(signed.token.claims, self._expected, self._clock())
        return signed


class _Static:
    """Keys that were handed over: nothing is fetched, nothing grows old."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    async def find(self, header: Mapping[str, Any]) -> PublicKey:
        return self.find_blocking(header)

    def find_blocking(self, header: Mapping[str, Any]) -> PublicKey:
        key = self._keys.select(header)
        if key is None:
            raise self._keys.unknown(header)
        return key


def _listed(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _once(first: bool) -> None:
    if not first:
        raise Refused("replay", "the DPoP proof was used before; each request is signed anew")


def _refusal(error: JoseError) -> Refused:
    return Refused(error.reason, str(error), received=error.received, expected=error.expected)


def _read_static(keys: StaticKeys, algorithms: Sequence[str]) -> KeySet:
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
