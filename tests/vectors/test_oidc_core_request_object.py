"""The signed request object of OpenID Connect Core 6.1, which RFC 9101 takes up, and what it stands for."""

from __future__ import annotations

import json

import pytest

from idp.jose import JoseError, PublicKey, verify_compact
from idp.protocol.client import Client
from idp.protocol.errors import Refused
from idp.protocol.request_objects import TYPES, check_claims, kept_beside, parameters_of

KEY = {
    "kty": "RSA",
    "kid": "k2bdc",
    "n": "y9Lqv4fCp6Ei-u2-ZCKq83YvbFEk6JMs_pSj76eMkddWRuWX2aBKGHAtKlE5P7_vn__PCKZWePt3vGkB6ePgzAFu08NmKemwE5bQI0e6k"
    "IChtt_6KzT5OaaXDFI6qCLJmk51Cc4VYFaxgqevMncYrzaW_50mZ1yGSFIQzLYP8bijAHGVjdEFgZaZEN9lsn_GdWLaJpHrB3ROlS50E45wxrlg9xMncVb8"
    "qDPuXZarvghLL0HzOuYRadBJVoWZowDNTpKpk2RklZ7QaBO7XDv3uR7s_sf2g-bAjSYxYUGsqkNA9b3xVW53am_UZZ3tZbFTIh557JICWKHlWj5u"
    "zeJXaw",
    "e": "AQAB",
}
OBJECT = (
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsyYmRjIn0."
    "ew0KICJpc3MiOiAiczZCaGRSa3F0MyIsDQogImF1ZCI6ICJodHRwczovL3NlcnZlci5leGFtcGxlLmNvbSIsDQogInJlc3BvbnNlX3R5cGUiOiAi"
    "Y29kZSBpZF90b2tlbiIsDQogImNsaWVudF9pZCI6ICJzNkJoZFJrcXQzIiwNCiAicmVkaXJlY3RfdXJpIjogImh0dHBzOi8vY2xpZW50LmV4YW1w"
    "bGUub3JnL2NiIiwNCiAic2NvcGUiOiAib3BlbmlkIiwNCiAic3RhdGUiOiAiYWYwaWZqc2xka2oiLA0KICJub25jZSI6ICJuLTBTNl9XekEyTWoi"
    "LA0KICJtYXhfYWdlIjogODY0MDAsDQogImNsYWltcyI6IA0KICB7DQogICAidXNlcmluZm8iOiANCiAgICB7DQogICAgICJnaXZlbl9uYW1lIjog"
    "eyJlc3NlbnRpYWwiOiB0cnVlfSwNCiAgICAgIm5pY2tuYW1lIjogbnVsbCwNCiAgICAgImVtYWlsIjogeyJlc3NlbnRpYWwiOiB0cnVlfSwNCiAg"
    "ICAgImVtYWlsX3ZlcmlmaWVkIjogeyJlc3NlbnRpYWwiOiB0cnVlfSwNCiAgICAgInBpY3R1cmUiOiBudWxsDQogICAgfSwNCiAgICJpZF90b2tl"
    "biI6IA0KICAgIHsNCiAgICAgImdlbmRlciI6IG51bGwsDQogICAgICJiaXJ0aGRhdGUiOiB7ImVzc2VudGlhbCI6IHRydWV9LA0KICAgICAiYWNy"
    "IjogeyJ2YWx1ZXMiOiBbInVybjptYWNlOmluY29tbW9uOmlhcDpzaWx2ZXIiXX0NCiAgICB9DQogIH0NCn0."
    "nwwnNsk1-ZkbmnvsF6zTHm8CHERFMGQPhos-EJcaH4Hh-sMgk8ePrGhw_trPYs8KQxsn6R9Emo_wHwajyFKzuMXZFSZ3p6Mb8dkxtVyjoy2GIzvu"
    "JT_u7PkY2t8QU9hjBcHs68PkgjDVTrG1uRTx0GxFbuPbj96tVuj11pTnmFCUR6IEOXKYr7iGOCRB3btfJhM0_AKQUfqKnRlrRscc8Kol-cSLWoYE"
    "9l5QqholImzjT_cMnNIznW9E7CDyWXTsO70xnB4SkG6pXfLSjLLlxmPGiyon_-Te111V8uE83IlzCYIb_NMXvtTIVc1jpspnTSD7xMbpL-2QgwUs"
    "AlMGzw"
)
CLIENT = Client(client_id="s6BhdRkqt3", redirect_uris=("https://client.example.org/cb",))
SERVER = "https://server.example.com"
NOW = 1_800_000_000.0


def read(text: str) -> dict[str, object]:
    key = PublicKey.from_jwk(KEY, "RS256")
    return dict(verify_compact(text, lambda header: key, algorithms=["RS256"], typ=TYPES).claims)


def test_its_signature_and_its_claims_are_right() -> None:
    check_claims(read(OBJECT), CLIENT, SERVER, NOW)
    with pytest.raises(JoseError):
        read(OBJECT.replace(".nww", ".nwx"))


def test_the_parameters_it_stands_for() -> None:
    parameters = parameters_of(read(OBJECT))
    claims = json.loads(parameters.get("claims") or "")
    assert dict(pair for pair in parameters.pairs() if pair[0] != "claims") == {
        "response_type": "code id_token",
        "client_id": "s6BhdRkqt3",
        "redirect_uri": "https://client.example.org/cb",
        "scope": "openid",
        "state": "af0ifjsldkj",
        "nonce": "n-0S6_WzA2Mj",
        "max_age": "86400",
    }
    assert claims["userinfo"]["nickname"] is None
    assert claims["id_token"]["acr"] == {"values": ["urn:mace:incommon:iap:silver"]}
    assert kept_beside(read(OBJECT)) == [], "it names no jti"


@pytest.mark.parametrize(
    ("client", "server"),
    [(Client(client_id="other"), SERVER), (CLIENT, "https://elsewhere.example"), (CLIENT, f"{SERVER}/")],
)
def test_for_anybody_else_it_says_nothing(client: Client, server: str) -> None:
    with pytest.raises(Refused) as refused:
        check_claims(read(OBJECT), client, server, NOW)
    assert refused.value.error == "invalid_request_object"
