"""The bad tokens of ``idp probe``: what is wrong with each, which rule an API breaks that takes it, and the mend.

How they are made stands in ``forging`` (what anybody can make) and ``signed`` (what takes the issuer's key).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """``issuer`` rows hold tokens that the issuer's own key signed: without it they cannot be tried."""

    name: str
    what: str
    rule: str
    mend: str
    issuer: bool = False


_LIBRARY = (
    "let a library decide with the algorithms written in your code: idp.verify, or algorithms=[...] of your own one"
)
_HEADER_KEY = "take keys from the issuer's jwks_uri alone; never from jwk, jku, x5u or x5c of a token's header"
_CLAIM = "demand and compare it in the API, as idp.verify does: the signature says who wrote a token, not for whom"

_ALL = (
    Row("alg-none", "no signature: alg none, in several spellings", "RFC 8725 3.1", _LIBRARY),
    Row("hs256-public", "HS256 keyed with the issuer's public key", "RFC 8725 2.1, 3.1", _LIBRARY),
    Row("bad-signature", "one bit of the signature changed; another key's signature", "RFC 7515 5.2",
        "verify the signature before reading a claim: decode() alone verifies nothing"),
    Row("changed-payload", "another sub and more scopes under the old signature", "RFC 7515 5.2",
        "verify the signature before reading a claim: decode() alone verifies nothing"),
    Row("truncated", "without the signature, or with half of it", "RFC 7515 5.2",
        "refuse what is not three parts with a signature of full length"),
    Row("unknown-kid", "a kid nobody published, signed by a stranger's key", "RFC 7515 4.1.4",
        "refuse when the fetched key set lacks the kid; do not fall back to reading without verifying"),
    Row("retired-kid", "signed by a key that the issuer has withdrawn", "RFC 7517 5, RFC 9700 2.6",
        "let the cached key set expire (Cache-Control) and drop keys that are gone from it"),
    Row("jwk-header", "the stranger's key in the header (jwk)", "RFC 8725 3.10", _HEADER_KEY),
    Row("jku-header", "the address of the stranger's keys in the header (jku)", "RFC 8725 3.10", _HEADER_KEY),
    Row("x5u-header", "the stranger's certificate in the header, or its address (x5c, x5u)", "RFC 8725 3.10",
        _HEADER_KEY),
    Row("kid-path", "a kid that is a path to an empty file, or a piece of SQL, with HS256", "RFC 8725 3.10",
        "use kid to look in the key set you hold, never to open a file, an address or a table"),
    Row("wrong-audience", "meant for another API, or for nobody", "RFC 9068 4, RFC 8725 3.9", f"aud: {_CLAIM}", True),
    Row("wrong-issuer", "of another issuer, or of none", "RFC 9068 4, RFC 8725 3.8", f"iss: {_CLAIM}", True),
    Row("wrong-type", "another kind of token by its typ", "RFC 9068 4, RFC 8725 3.11",
        "demand typ at+jwt (typ=... of idp.verify): other tokens of the issuer are no access tokens", True),
    Row("id-token", "an ID token in place of an access token", "RFC 9068 5",
        "demand typ at+jwt and your own audience: an ID token tells an app who signed in, and opens no API", True),
    Row("expired", "expired an hour ago; without exp", "RFC 9068 4, RFC 7519 4.1.4",
        "demand exp and compare it, with a leeway of at most a minute or so", True),
    Row("not-yet-valid", "valid only in an hour (nbf)", "RFC 7519 4.1.5",
        "compare nbf, with a leeway for clocks", True),
    Row("bound-as-bearer", "bound to a key (cnf), sent without the proof of it", "RFC 9449 7.2",
        "refuse a token with cnf unless its proof comes along: verify_request of idp.verify does both", True),
    Row("stripped-cnf", "the binding (cnf) cut out, the signature not renewed", "RFC 7515 5.2, RFC 9449 7.2",
        "verify the signature over the bytes as they came, not over what you made of them"),
    Row("two-headers", "two Authorization headers: one good, one bad", "RFC 9110 5.3, RFC 6750 2",
        "refuse a request with two Authorization headers: proxy and API may read different ones"),
    Row("query-token", "the good token in the address alone, or twice in it", "RFC 9700 4.3.2, RFC 6750 2.3",
        "take tokens from the Authorization header alone: addresses end in logs and histories"),
)  # fmt: skip

ROWS: Mapping[str, Row] = {row.name: row for row in _ALL}
