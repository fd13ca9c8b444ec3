"""The one set of rules behind ``Verifier`` and ``SyncVerifier``: coroutines that are handed their way to wait."""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from idp.jose import dpop as rules
from idp.jose.compact import SignedToken, Token, read_signed
from idp.jose.errors import JoseError
from idp.jose.jwks_cache import KeySetCache, in_thread
from idp.jose.public import VERIFYING_ALGORITHMS, PublicKey

from .bearer import bearer_token, dpop_token
from .claims import Expected, VerifiedToken, check_claims, check_introspected, check_required
from .discovery import KeySource, Metadata
from .fetch import Fetch, FetchError, get, target
from .introspection import Introspection, Introspector
from .keysource import Keys, Static, StaticKeys, cache_limits, read_static
from .proofs import Credentials, Dpop, Headers, MemoryReplays, Replays, bound_key, proved
from .refused import Refused
from .resource import Resource
from .token_cache import TokenCache, token_name
from .ways import Way, blocking, in_loop


class Core:
    """What both verifiers are made of; its arguments are described at ``Verifier``."""

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
        resource: Resource | str | None = None,
        required_claims: Iterable[str] | None = None,
        stale_if_error: float = 43_200,
        introspection: Introspection | None = None,
        cached_tokens: int = 0,
    ) -> None:
        self._algorithms = listed(algorithms)
        self._typ = listed(typ)
        required = None if required_claims is None else listed(required_claims)
        self._expected = Expected(issuer, listed(audience), leeway, required)
        self._clock = clock
        self._limits = cache_limits(cooldown, stale_if_error)
        self._dpop = dpop
        self._replays: Replays = dpop.replays or MemoryReplays(clock)
        self._check_arguments()
        self._resource = Resource(resource) if isinstance(resource, str) else resource
        if not 0 <= cached_tokens <= 1_000_000:
            raise ValueError("cached_tokens must be 0 to 1,000,000")
        self._cache = TokenCache(cached_tokens) if cached_tokens else None
        metadata = Metadata(issuer, fetch or get, clock)
        self._keys = self._source(jwks_uri, jwks, fetch or get, metadata)
        introspector = Introspector(introspection, metadata, clock) if introspection else None
        self._audience_optional = introspection is not None and introspection.audience_optional
        self._in_loop = in_loop(self._keys, introspector)
        self._blocking = blocking(self._keys, introspector)

    def _source(self, jwks_uri: str | None, jwks: StaticKeys | None, fetch: Fetch, metadata: Metadata) -> Keys:
        if jwks is not None:
            return Static(read_static(jwks, self._algorithms))
        try:
            target(jwks_uri or self._expected.issuer)  # a wrong address is refused where it was written down
        except FetchError as error:
            raise ValueError(str(error)) from error
        source = KeySource(jwks_uri, self._algorithms, fetch, metadata)
        return KeySetCache(in_thread(source.fetch), clock=self._clock, limits=self._limits)

    def _check_arguments(self) -> None:
        unknown = [alg for alg in self._algorithms if alg not in VERIFYING_ALGORITHMS]
        if unknown or not self._algorithms:
            raise ValueError(f"algorithms {unknown} are not accepted; choose from {VERIFYING_ALGORITHMS}")
        if not self._expected.issuer or not all(self._expected.audience) or not self._expected.audience:
            raise ValueError("issuer and audience must be named: a token for somebody else is no token for you")
        if not self._typ or not 0 <= self._expected.leeway <= 300:
            raise ValueError("typ must name a type, leeway be 0 to 300 seconds")
        if not self._dpop.algorithms or not set(self._dpop.algorithms) <= set(rules.ALGORITHMS):
            raise ValueError(f"dpop.algorithms must be some of {rules.ALGORITHMS}")
        if not 0 < self._dpop.max_age <= 3600 or not 0 <= self._dpop.leeway <= 300:
            raise ValueError("dpop.max_age must be up to 3600 seconds, dpop.leeway 0 to 300")

    @property
    def resource(self) -> Resource | None:
        """What this API says of itself; None where it was not told to."""
        return self._resource

    def resource_metadata(self) -> Mapping[str, Any]:
        """The document that belongs at its own address (RFC 9728); ``ValueError`` without ``resource``."""
        if self._resource is None:
            raise ValueError("the verifier was made without resource=, the address of this API")
        bound = {
            "dpop_signing_alg_values_supported": list(self._dpop.algorithms),
            "dpop_bound_access_tokens_required": self._dpop.required or None,
        }
        return self._resource.metadata([self._expected.issuer], **bound)

    def enough(
        self,
        token: VerifiedToken,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """A token this verifier gave out before in the same request, if it is enough for this too; else ``Refused``."""
        try:
            self._require(token, scopes, acr_values, max_age)
        except Refused as refused:
            if "cnf" in token.claims:
                refused.dpop = tuple(self._dpop.algorithms)
            self._point(refused)
            raise
        return token

    async def _verify(
        self, way: Way, token: str, scopes: Iterable[str], acr_values: Iterable[str], max_age: float | None
    ) -> VerifiedToken:
        try:
            return self._accepted(self._as_bearer(await self._judged(way, token)), scopes, acr_values, max_age)
        except Refused as refused:
            self._point(refused)
            raise

    async def _verify_request(
        self,
        way: Way,
        method: str,
        url: str,
        headers: Headers,
        scopes: Iterable[str],
        acr_values: Iterable[str],
        max_age: float | None,
    ) -> VerifiedToken:
        with self._in_scheme(headers) as asked:
            if not asked.by_dpop:
                token = self._as_bearer(await self._judged(way, bearer_token(asked.authorization)))
            else:
                text = dpop_token(asked.authorization or "")
                token = await self._judged(way, text)
                _once(await way.first(self._first(method, url, text, asked, token)))
            return self._accepted(token, scopes, acr_values, max_age)

    def _point(self, refused: Refused) -> None:
        """A refusal says where this API's metadata stands (RFC 9728 section 5.1)."""
        if self._resource is not None:
            refused.resource_metadata = self._resource.metadata_url

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
            self._point(refused)
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

    async def _judged(self, way: Way, text: str) -> Token:
        """The token, its signature and claims good, or vouched for by its issuer; ``Refused`` otherwise."""
        if way.active is not None and isinstance(text, str) and text.count(".") != 2:
            claims = await way.active(text)
            check_introspected(
                claims,
                self._expected,
                self._clock(),
                audience_optional=self._audience_optional,
                skew=self._keys.skew,
            )
            check_required({}, claims, self._expected.required)
            return Token({}, claims)
        if self._cache is None or (name := token_name(text)) is None:
            return (await self._proved(way, text))[0]
        return await self._remembered(way, text, name, self._cache)

    async def _remembered(self, way: Way, text: str, name: bytes, cache: TokenCache) -> Token:
        held = cache.get(name, self._clock())
        if held is not None:
            # Asked each time: a key that its issuer took back takes its tokens along.
            key = await self._key(way, held.token.header)
            if key is held.key or key == held.key:
                return held.own()
        token, key = await self._proved(way, text)
        cache.put(name, token, key, self._clock(), float(token.claims["exp"]) + self._expected.leeway)
        return token

    async def _proved(self, way: Way, text: str) -> tuple[Token, PublicKey]:
        signed = self._read(text)
        key = await self._key(way, signed.token.header)
        try:
            return signed.proved_by(key), key
        except JoseError as error:
            raise refusal(error) from error

    async def _key(self, way: Way, header: Mapping[str, Any]) -> PublicKey:
        try:
            return await way.key(header)
        except JoseError as error:
            raise refusal(error) from error

    def _accepted(
        self, token: Token, scopes: Iterable[str], acr_values: Iterable[str], max_age: float | None
    ) -> VerifiedToken:
        return self._require(VerifiedToken.of(token), scopes, acr_values, max_age)

    def _require(
        self, verified: VerifiedToken, scopes: Iterable[str], acr_values: Iterable[str], max_age: float | None
    ) -> VerifiedToken:
        verified.require_scopes(*listed(scopes))
        accepted = listed(acr_values)
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
            raise refusal(error) from error
        header, claims = signed.token.header, signed.token.claims
        check_claims(claims, self._expected, self._clock(), self._keys.skew)
        check_required(header, claims, self._expected.required)
        return signed


def listed(value: str | Iterable[str]) -> tuple[str, ...]:
    """One text or several, as several."""
    return (value,) if isinstance(value, str) else tuple(value)


def _once(first: bool) -> None:
    if not first:
        raise Refused("replay", "the DPoP proof was used before; each request is signed anew")


def refusal(error: JoseError) -> Refused:
    """What the key set or the token's form was refused for, in the words of the resource server."""
    return Refused(error.reason, str(error), received=error.received, expected=error.expected)
