"""``at_hash`` and ``c_hash`` as the examples have them: OpenID Connect Core 1.0, appendixes A.3, A.4 and A.6."""

import base64
import hashlib

import pytest

from idp.protocol.authorization import Authorization
from idp.protocol.claims import id_token
from idp.protocol.client import Client

TOKEN, AT_HASH = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"
CODE, C_HASH = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA"


def hashes(alg: str, token: str | None, code: str | None) -> dict[str, object]:
    auth = Authorization(Client(client_id="s6BhdRkqt3"), ("openid",), (), 0.0, "implicit", code=code)
    said = {"issuer": "https://server.example.com", "subject": "248289761001", "expires_at": 300, "acr": None}
    found = id_token(auth, **said, alg=alg, access_token=token)  # type: ignore[arg-type]
    return {name: value for name, value in found.items() if name.endswith("_hash")}


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
def test_the_examples(alg: str) -> None:
    assert hashes(alg, TOKEN, None) == {"at_hash": AT_HASH}  # A.3, id_token token
    assert hashes(alg, None, CODE) == {"c_hash": C_HASH}  # A.4, code id_token
    assert hashes(alg, TOKEN, CODE) == {"at_hash": AT_HASH, "c_hash": C_HASH}  # A.6, code id_token token
    assert hashes(alg, None, None) == {}  # A.2, id_token


def test_ed25519_hashes_as_its_signature_does() -> None:
    """The algorithm's name says no hash; Ed25519 is built on SHA-512."""
    half = base64.urlsafe_b64encode(hashlib.sha512(CODE.encode()).digest()[:32]).rstrip(b"=").decode()
    assert hashes("EdDSA", None, CODE) == {"c_hash": half}
