"""What a relying party checks before it believes a logout token (OIDC Back-Channel Logout 1.0, 2.6)."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

EVENT = "http://schemas.openid.net/event/backchannel-logout"
MAX_AGE = 300.0  # seconds since iat; also how long a jti is remembered
LEEWAY = 30.0
REFETCH_EVERY = 30.0
MAX_LENGTH = 16_384

# Answers the key set document; ``True`` asks the provider again instead of a cache.
FetchKeys = Callable[[bool], Awaitable[Mapping[str, Any]]]


class NotALogout(Exception):
    """The token proves nothing; the sentence says which check failed."""


class Repeated(Exception):
    """A true logout token that was obeyed before: nothing is left to do.

    A provider whose first answer was lost sends the same jti again and waits to hear that all is well; a
    copied token must not end a later session.
    """


@dataclass(frozen=True)
class Logout:
    """Who is signed out: a session of the provider, or (``sid`` is None) a person everywhere."""

    sub: str | None
    sid: str | None


class LogoutTokens:
    """Reads the logout tokens ``issuer`` makes for ``client_id``; only signatures by ``algorithms`` count."""

    def __init__(self, issuer: str, client_id: str, fetch_keys: FetchKeys, algorithms: list[str]) -> None:
        self.issuer, self.client_id, self.fetch_keys = issuer, client_id, fetch_keys
        self.registry = jws.JWSRegistry(algorithms=algorithms, strict_check_header=False)
        self.registry.max_header_length = 4096
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._may_refetch_at = 0.0

    async def read(self, token: str) -> Logout:
        """Raises NotALogout, or Repeated: a token is good once."""
        if not token or len(token) > MAX_LENGTH:
            raise NotALogout("logout_token is missing or too long")
        try:
            proved = await self._proved(token)
        except (JoseError, ValueError) as error:
            raise NotALogout(f"the signature does not hold: {error}") from error
        self._check_header(proved.header)
        logout = self._check_claims(proved.claims)
        self._spend(str(proved.claims["jti"]))
        return logout

    async def _proved(self, token: str) -> jwt.Token:
        keys = KeySet.import_key_set(dict(await self.fetch_keys(False)))  # type: ignore[arg-type]
        try:
            return jwt.decode(token, keys, registry=self.registry)
        except InvalidKeyIdError:
            # Anyone can send us unknown key ids: they must not become a stream of requests to the provider.
            if time.monotonic() < self._may_refetch_at:
                raise
            self._may_refetch_at = time.monotonic() + REFETCH_EVERY
            keys = KeySet.import_key_set(dict(await self.fetch_keys(True)))  # type: ignore[arg-type]
            return jwt.decode(token, keys, registry=self.registry)

    def _check_header(self, header: Mapping[str, Any]) -> None:
        # Without a kid the library takes some key of the set; without typ an ID token could pass for this.
        if "kid" not in header:
            raise NotALogout("the header names no key")
        if str(header.get("typ", "")).lower().removeprefix("application/") != "logout+jwt":
            raise NotALogout(f"typ is {header.get('typ')!r}, a logout token says logout+jwt")

    def _check_claims(self, claims: Mapping[str, Any]) -> Logout:
        now, audience = time.time(), claims.get("aud")
        if claims.get("iss") != self.issuer:
            raise NotALogout(f"iss is {claims.get('iss')!r}, expected {self.issuer!r}")
        if self.client_id not in (audience if isinstance(audience, list) else [audience]):
            raise NotALogout(f"aud is {audience!r}, expected {self.client_id!r}")
        if not _within(claims.get("iat"), now - MAX_AGE, now + LEEWAY):
            raise NotALogout("iat is missing, too old or in the future")
        if not _within(claims.get("exp"), now - LEEWAY, float("inf")):
            raise NotALogout("exp is missing or over")
        if "nonce" in claims:
            raise NotALogout("a logout token carries no nonce; this looks like an ID token")
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
            raise NotALogout("events does not name a back-channel logout")
        if not isinstance(claims.get("jti"), str) or not claims["jti"]:
            raise NotALogout("jti is missing")
        return _subject(claims)

    def _spend(self, jti: str) -> None:
        now = time.monotonic()
        while self._seen and next(iter(self._seen.values())) < now:
            self._seen.popitem(last=False)
        if jti in self._seen:
            raise Repeated
        self._seen[jti] = now + MAX_AGE + LEEWAY


def _subject(claims: Mapping[str, Any]) -> Logout:
    sub, sid = claims.get("sub"), claims.get("sid")
    if any(value is not None and not isinstance(value, str) for value in (sub, sid)) or not (sub or sid):
        raise NotALogout("neither sub nor sid says who is signed out")
    return Logout(sub=sub, sid=sid)


def _within(value: object, earliest: float, latest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and earliest <= value <= latest
