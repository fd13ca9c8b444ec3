"""A provider's key set: whether its keys are sound, and whether a rotation would reach verifiers in time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from idp.diagnosis.finding import Finding, bad, good, note
from idp.jose import JoseError, PublicKey
from idp.jose.errors import shown

_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,10})")
DAY = 86_400


def sound(members: Sequence[Any], announced: Sequence[str]) -> Iterator[Finding]:
    """``announced`` are the algorithms that discovery names for ID tokens."""
    keys, faults = [], []
    for member in members:
        if isinstance(member, Mapping) and member.get("use", "sig") == "sig":
            try:
                keys.append(PublicKey.from_jwk(member))
            except JoseError as error:
                faults.append(f"{shown(member.get('kid', 'without kid'))}: {error}")
    if faults:
        yield bad(
            "keys", "keys that verifiers cannot use, or must not", received="; ".join(faults),
            expected="public RSA keys of 2048 bits or more, P-256/384/521 or Ed25519",
            mend="replace them; a private key that stood here is known to everybody: rotate in an emergency",
        )  # fmt: skip
    elif not keys:
        yield bad(
            "keys", "the key set holds no key", received="none", expected="one for each algorithm", mend="make one"
        )
    else:
        yield good("keys", ", ".join(f"{key.alg} {shown(key.kid)[:12]}{_size(key)}" for key in keys))
    yield _named(keys)
    if missing := sorted(set(announced) - {key.alg for key in keys} - {"none", "HS256", "HS384", "HS512"}):
        mend = "announce what there are keys for, or make the keys: a client may choose any of them"
        yield note("algorithms", f"announced, but without a key: {', '.join(map(shown, missing))}", mend=mend)
    else:
        yield good("algorithms", f"a key for each announced algorithm ({', '.join(map(shown, announced))})")


def _size(key: PublicKey) -> str:
    return f" ({len(key.jwk['n']) * 6 // 64 * 64} bits)" if "n" in key.jwk else ""


def _named(keys: Sequence[PublicKey]) -> Finding:
    nameless = sum(key.kid is None for key in keys)
    twice = sorted(kid for kid, count in Counter(key.kid for key in keys if key.kid).items() if count > 1)
    if twice or (nameless and len(keys) > 1):
        received = f"{nameless} without a kid" if nameless else ", ".join(map(shown, twice)) + " twice"
        mend = "give each key a kid of its own: verifiers choose by it (RFC 7515 4.1.4)"
        return bad(
            "kids", "keys that cannot be told apart", received=received, expected="a kid for each key", mend=mend
        )
    return good("kids", "each key has a kid of its own")


def rotation(members: Sequence[Any], cache_control: str, lead: float | None) -> Iterator[Finding]:
    """Whether a verifier that caches as it is told knows the next key in time. ``lead`` is for how many seconds a key
    stands in the set before it signs, None where the provider does not tell."""
    found = _MAX_AGE.search(cache_control.lower())
    age = int(found[1]) if found else None
    if age is None or "no-store" in cache_control.lower():
        yield note(
            "cache", f"the key set has no max-age (Cache-Control: {shown(cache_control) or 'none'})",
            mend="send Cache-Control: public, max-age=300: verifiers guess otherwise, from 0 seconds to for ever",
        )  # fmt: skip
    elif age > DAY:
        yield bad(
            "cache", "the key set may be cached for more than a day", received=f"max-age={age}",
            expected="minutes", mend="shorten max-age: as long, a withdrawn key is still believed",
        )  # fmt: skip
    elif lead is not None and age >= lead:
        yield bad(
            "cache", "a key signs before every cache can know it", received=f"max-age={age}",
            expected=f"less than {lead:.0f} s, the time a key stands in the set before it signs",
            mend="shorten keys.jwks_max_age, or lengthen keys.longest_cache",
        )  # fmt: skip
    else:
        after = "" if lead is None else f", and a key waits {lead:g} s or more before it signs"
        yield good("cache", f"the key set may be cached for {age} s{after}")
    yield _successor(members)


def _successor(members: Sequence[Any]) -> Finding:
    signing = [member for member in members if isinstance(member, Mapping) and member.get("use", "sig") == "sig"]
    kinds = Counter(str(member.get("alg") or member.get("kty")) for member in signing)
    alone = sorted(kind for kind, count in kinds.items() if count == 1)
    if alone:
        return note(
            "successor", f"no next key is announced for {', '.join(map(shown, alone))}",
            mend="publish the next key long before it signs: else a rotation is a wave of 401 at every cached verifier",
        )  # fmt: skip
    return good("successor", "the next key is announced before it signs")
