"""The proofs and values printed in RFC 9449 (sections 4.1, 5, 6.1, 7.1 and 10)."""

import base64
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey

from idp.jose import JoseError, thumbprint
from idp.jose.dpop import Demands, check_proof, token_hash
from idp.protocol.dpop import check
from idp.protocol.holder import Holder, confirms

_HEADER = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyV"
    "VFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
# Figures 1 and 3 (section 4.1), Figures 11 and 13 (section 7.1).
AT_TOKEN = (
    f"{_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2Vu"
    "IiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
AT_RESOURCE = (
    f"{_HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90"
    "ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9"
    ".2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
ATH = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"  # Figures 8 and 9 (section 6)
TOKEN_URL, RESOURCE_URL = "https://server.example.com/token", "https://resource.example.org/protectedresource"
MADE = 1562262616.0


def jwk() -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(_HEADER + "=" * (-len(_HEADER) % 4)))["jwk"])


def test_the_proof_of_a_token_request() -> None:
    proof = check_proof(AT_TOKEN, Demands("POST", TOKEN_URL), MADE)
    assert (proof.jkt, proof.jti, proof.nonce) == (JKT, "-BwC3ESc6acc2lTc", None)


def test_the_proof_of_a_request_to_a_resource() -> None:
    proof = check_proof(AT_RESOURCE, Demands("GET", RESOURCE_URL, TOKEN), MADE + 2)
    assert (proof.jkt, proof.jti) == (JKT, "e1j3V_bKic8-LAEB")


def test_the_hash_of_the_token_and_the_name_of_the_key() -> None:
    assert token_hash(TOKEN) == ATH
    assert thumbprint(jwk()) == ECKey.import_key(jwk()).thumbprint() == JKT


def test_the_confirmation_of_a_token() -> None:
    assert Holder("jkt", JKT, "DPoP").confirmation == {"jkt": JKT}
    assert confirms({"cnf": {"jkt": JKT}}, "jkt", JKT)


def test_the_authorization_request_of_section_10(draft: Any) -> None:
    named = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert check(draft({"dpop_jkt": named})) == {"dpop_jkt": named}


@pytest.mark.parametrize(
    ("proof", "demands", "now", "what"),
    [
        (AT_TOKEN, Demands("GET", TOKEN_URL), MADE, "htm"),
        (AT_TOKEN, Demands("POST", RESOURCE_URL), MADE, "htu"),
        (AT_TOKEN, Demands("POST", TOKEN_URL, TOKEN), MADE, "ath"),
        (AT_TOKEN, Demands("POST", TOKEN_URL), MADE + 61, "61 s ago"),
        (AT_TOKEN, Demands("POST", TOKEN_URL), MADE - 16, "in the future"),
        (AT_RESOURCE, Demands("GET", RESOURCE_URL, TOKEN + "x"), MADE, "ath"),
        (AT_TOKEN[:-4] + "AAAA", Demands("POST", TOKEN_URL), MADE, "signature"),
    ],
)
def test_they_prove_nothing_else(proof: str, demands: Demands, now: float, what: str) -> None:
    with pytest.raises(JoseError, match=what):
        check_proof(proof, demands, now)


@pytest.fixture
def draft() -> Any:
    from idp.protocol.client import Client
    from idp.protocol.parameters import Parameters
    from idp.protocol.request import Draft, Rules

    none: frozenset[str] = frozenset()
    rules = Rules("https://op.test", none, {}, none, none, none)
    return lambda parameters: Draft(Parameters(parameters.items()), Client(client_id="c"), rules)
