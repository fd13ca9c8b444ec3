"""The Authorization header (RFC 6750 section 2.1)."""

import pytest

from idp.verify import Refused, bearer_token


@pytest.mark.parametrize(
    "value",
    ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c  ", " Bearer a.b.c", b"Bearer a.b.c"],
)
def test_the_token_is_found(value: str | bytes) -> None:
    assert bearer_token(value) == "a.b.c"


@pytest.mark.parametrize("value", [None, "", "  ", b"", "Basic YWxpY2U6c2VjcmV0", "Token abc", "a.b.c", "Bearera.b.c"])
def test_no_token(value: str | bytes | None) -> None:
    with pytest.raises(Refused) as refusal:
        bearer_token(value)
    assert (refusal.value.reason, refusal.value.status) == ("missing_token", 401)
    assert "Authorization: Bearer TOKEN" in str(refusal.value)
    assert "YWxpY2U6c2VjcmV0" not in str(refusal.value)


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        "Bearer a.b.c d.e.f",
        "Bearer a.b.c, Bearer d.e.f",
        'Bearer "a.b.c"',
        "Bearer a\tb",
        "Bearer ä",
        "Bearer a\x00",
        b"Bearer \xff",
        "Bearer =",
        "Bearer a=b",
    ],
)
def test_not_one_token(value: str | bytes) -> None:
    with pytest.raises(Refused) as refusal:
        bearer_token(value)
    assert (refusal.value.reason, refusal.value.status) == ("malformed_request", 400)
    assert refusal.value.error == "invalid_request"
    assert refusal.value.www_authenticate().isascii()
