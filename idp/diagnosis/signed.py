"""Bad tokens that only the issuer's key can sign: right in everything but the one thing their row names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

HOUR = 3600
ELSEWHERE = "https://somebody-else.invalid"


class ToSign(NamedTuple):
    """``row`` names the mistake; ``typ`` and ``claims`` are to be signed as they stand."""

    row: str
    typ: str
    claims: Mapping[str, Any]


def to_sign(good: Mapping[str, Any], now: float, client_id: str, thumbprint: str) -> Iterator[ToSign]:
    """From the claims of a good access token; ``now`` in Unix seconds, ``thumbprint`` of a key that nobody proves."""
    at = int(now)
    fresh = {**good, "iat": at, "exp": at + HOUR}

    def access(row: str, **changed: Any) -> ToSign:
        claims = {**fresh, **changed}
        return ToSign(row, "at+jwt", {name: value for name, value in claims.items() if value is not None})

    audience = good["aud"] if isinstance(good["aud"], str) else good["aud"][0]
    yield access("wrong-audience", aud=ELSEWHERE)
    yield access("wrong-audience", aud=[ELSEWHERE, client_id])
    yield access("wrong-audience", aud=f"{audience}.somebody-else.invalid")
    yield access("wrong-audience", aud=None)
    yield access("wrong-issuer", iss=ELSEWHERE)
    yield access("wrong-issuer", iss=f"{good['iss']}.somebody-else.invalid")
    yield access("wrong-issuer", iss=None)
    yield ToSign("wrong-type", "JWT", fresh)
    yield ToSign("wrong-type", "logout+jwt", fresh)
    identity = {name: good[name] for name in ("iss", "sub")}
    yield ToSign("id-token", "JWT", {**identity, "aud": client_id, "nonce": "n", "iat": at, "exp": at + HOUR})
    yield ToSign(
        "id-token", "JWT", {**identity, "aud": [client_id, audience], "azp": client_id, "iat": at, "exp": at + HOUR}
    )
    yield access("expired", iat=at - 2 * HOUR, exp=at - HOUR)
    yield access("expired", exp=None)
    yield access("not-yet-valid", nbf=at + HOUR, exp=at + 2 * HOUR)
    yield access("bound-as-bearer", cnf={"jkt": thumbprint})
