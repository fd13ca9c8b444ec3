"""``Verifier``: the one object a resource server keeps."""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from idp.jose.compact import SignedToken, Token, read_signed
from idp.jose.errors import JoseError
from idp.jose.jwks_cache import KeySetCache, in_thread
from idp.jose.jwks_rules import CacheLimits
from idp.jose.keyset import KeySet
from idp.jose.public import VERIFYING_ALGORITHMS, PublicKey

from .claims import Expected, VerifiedToken, check_claims
from .discovery import KeySource
from .fetch import Fetch, FetchError, get
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
    ids.

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
    ) -> None:
        self._algorithms = _listed(algorithms)
        self._typ = _listed(typ)
        self._expected = Expected(issuer, _listed(audience), leeway)
        self._clock = clock
        self._cooldown = cooldown
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

        Never blocks the event loop: where keys must be fetched, a thread does it.
        """
        signed = self._read(token)
        try:
            key = await self._keys.find(signed.token.header)
            verified = _verified(signed.proved_by(key), scopes)
        except JoseError as error:
            raise _refusal(error) from error
        return self._signed_in(verified, acr_values, max_age)

    def verify_sync(
        self,
        token: str,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """``verify`` for code without an event loop; it waits where keys must be fetched."""
        signed = self._read(token)
        try:
            key = self._keys.find_blocking(signed.token.header)
            verified = _verified(signed.proved_by(key), scopes)
        except JoseError as error:
            raise _refusal(error) from error
        return self._signed_in(verified, acr_values, max_age)

    def _signed_in(self, verified: VerifiedToken, acr_values: Iterable[str], max_age: float | None) -> VerifiedToken:
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


def _verified(token: Token, scopes: Iterable[str]) -> VerifiedToken:
    verified = VerifiedToken.of(token)
    verified.require_scopes(*_listed(scopes))
    return verified


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
