"""The signed examples of RFC 7515 appendix A. They name no typ and no kid, so both are left open here."""

import base64
from typing import Any

import pytest

from idp.jose import JoseError, PublicKey, Token, read_unverified, verify_compact
from idp.jose.compact import SignedToken

PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
CLAIMS = {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}

A2_KEY = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx"
    "HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
    "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSH"
    "SXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"
    "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8"
    "NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "e": "AQAB",
}
A2_TOKEN = (
    f"eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
    "AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
    "BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
    "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
    "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
    "p0igcN_IoypGlUPQGe77Rw"
)
A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
A3_TOKEN = (
    f"eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
A4_KEY = {
    "kty": "EC",
    "crv": "P-521",
    "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
}
A4_SIGNATURE = (
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7Xdt"
    "AG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
)
A1_TOKEN = f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
A5_TOKEN = f"eyJhbGciOiJub25lIn0.{PAYLOAD}."
ANY = ("RS256", "ES256", "ES512", "HS256", "none")


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(
    ("token", "key", "alg"),
    [
        pytest.param(A2_TOKEN, A2_KEY, "RS256", id="A.2"),
        pytest.param(A3_TOKEN, A3_KEY, "ES256", id="A.3"),
    ],
)
def test_signatures_verify(token: str, key: dict[str, Any], alg: str) -> None:
    public = PublicKey.from_jwk(key)
    assert public.alg == alg
    proved = verify_compact(token, lambda _: public, algorithms=ANY, typ=("JWT", ""))
    assert proved == Token({"alg": alg}, CLAIMS)


@pytest.mark.parametrize(("token", "key"), [(A2_TOKEN, A2_KEY), (A3_TOKEN, A3_KEY)], ids=["A.2", "A.3"])
@pytest.mark.parametrize("place", [0, 10, -2], ids=["first", "middle", "last"])
def test_a_changed_signature_fails(token: str, key: dict[str, Any], place: int) -> None:
    head, _, signature = token.rpartition(".")
    place %= len(signature)
    other = "A" if signature[place] != "A" else "B"
    forged = f"{head}.{signature[:place]}{other}{signature[place + 1 :]}"
    with pytest.raises(JoseError) as refusal:
        verify_compact(forged, lambda _: PublicKey.from_jwk(key), algorithms=ANY, typ=("",))
    assert refusal.value.reason == "signature"


def test_a_signature_of_other_content() -> None:
    """A.4: ES512 over a payload that is no JSON, which is no JWT and has to be put together by hand."""
    key = PublicKey.from_jwk(A4_KEY)
    token = Token({"alg": "ES512"}, {})
    signed = SignedToken(token, b"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA", raw(A4_SIGNATURE))
    assert signed.proved_by(key) is token
    with pytest.raises(JoseError, match="signature does not match"):
        SignedToken(token, b"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZQ", raw(A4_SIGNATURE)).proved_by(key)
    with pytest.raises(JoseError, match="payload"):
        read_unverified(f"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.{A4_SIGNATURE}")


@pytest.mark.parametrize("token", [A1_TOKEN, A5_TOKEN], ids=["A.1 HS256", "A.5 none"])
def test_what_is_no_public_key_signature_is_refused_even_if_listed(token: str) -> None:
    assert read_unverified(token).claims == CLAIMS
    with pytest.raises(JoseError) as refusal:
        verify_compact(token, lambda _: None, algorithms=ANY, typ=("JWT", ""))
    assert refusal.value.reason == "algorithm"


def test_the_unknown_critical_extension() -> None:
    """Appendix E: crit names an invented extension; whoever does not know it must refuse."""
    header = "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6"
    header += "Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0"
    known = read_unverified(f"{header}.e30.").header
    assert known["crit"] == ["http://example.com/UNDEFINED"]
    with pytest.raises(JoseError) as refusal:
        verify_compact(f"{header}.e30.", lambda _: None, algorithms=("RS256",), typ=("",))
    assert refusal.value.reason in ("algorithm", "critical")
