"""Clocks that differ are named: the Date of the issuer's key set against ours."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import pytest
from verify_loopback import as_json
from verify_tokens import AUDIENCE, ES, ISSUER, NOW, jwks, token

from idp.verify import Refused, Response, SyncVerifier


def verifier(ahead: float | None, leeway: float = 0, **headers: str) -> SyncVerifier:
    """One whose clock is ``ahead`` of its issuer's, its keys at hand."""
    dated = {} if ahead is None else {"date": formatdate(NOW - ahead, usegmt=True)}

    def fetch(url: str, _: Mapping[str, str]) -> Response:
        return Response(200, {**dated, **headers}, as_json(jwks(ES)))

    made = SyncVerifier(ISSUER, AUDIENCE, jwks_uri=f"{ISSUER}/k", fetch=fetch, clock=lambda: NOW, leeway=leeway)
    made.verify(token())
    return made


def refusal(made: SyncVerifier, **claims: Any) -> str:
    with pytest.raises(Refused) as refused:
        made.verify(token(**claims))
    return str(refused.value)


ENDS = " (this API's, by its issuer's Date)"


def test_a_fast_clock() -> None:
    assert refusal(verifier(14), exp=NOW - 12) == f"expired 12 s ago, your clock is 14 s fast{ENDS}"


def test_a_slow_clock() -> None:
    slow = verifier(-125)
    assert refusal(slow, iat=NOW + 60) == f"issued 1 min in the future, your clock is 2 min 5 s slow{ENDS}"
    assert refusal(slow, nbf=NOW + 60) == f"valid only in 1 min, your clock is 2 min 5 s slow{ENDS}"


def test_with_what_is_forgiven() -> None:
    fast = verifier(14, leeway=30)
    assert refusal(fast, exp=NOW - 40) == f"expired 40 s ago, your clock is 14 s fast{ENDS}"
    assert refusal(fast, exp=NOW - 44) == "expired 44 s ago; get a new token", "a right clock would refuse it too"


@pytest.mark.parametrize(
    ("made", "claims", "words"),
    [
        (verifier(14), {"exp": NOW - 15}, "expired 15 s ago; get a new token"),
        (verifier(1), {"exp": NOW}, "expired 0 s ago; get a new token"),
        (verifier(-600), {"exp": NOW - 5}, "expired 5 s ago; get a new token"),
        (verifier(None), {"exp": NOW - 5}, "expired 5 s ago; get a new token"),
        (verifier(None, date="yesterday"), {"exp": NOW - 5}, "expired 5 s ago; get a new token"),
        (verifier(600), {"iat": NOW + 31}, "issued 31 s in the future: compare the clocks of both machines"),
        (verifier(None), {"nbf": NOW + 31}, "valid only in 31 s: compare the clocks of both machines"),
    ],
)
def test_not_blamed_for_what_it_did_not_do(made: SyncVerifier, claims: dict[str, Any], words: str) -> None:
    assert refusal(made, **claims) == words


def test_an_answer_that_waited_in_a_cache_was_made_earlier() -> None:
    assert refusal(verifier(14, age="14"), exp=NOW - 12) == "expired 12 s ago; get a new token"
    assert "14 s fast" in refusal(verifier(44, age="30"), exp=NOW - 12)


def test_it_is_told_and_excuses_nothing() -> None:
    with pytest.raises(Refused) as refused:
        verifier(14).verify(token(exp=NOW - 1))
    assert (refused.value.reason, refused.value.status) == ("expired", 401)
    assert 'error_description="expired 1 s ago, your clock is 14 s fast' in refused.value.www_authenticate()
