"""Whatever a signed object says, it becomes parameters or is refused; nothing else comes out."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from idp.protocol.client import Client
from idp.protocol.errors import Refused
from idp.protocol.parameters import Parameters
from idp.protocol.request import Once
from idp.protocol.request_objects import answered_once, check_claims, kept_beside, parameters_of

CLIENTS = [Client(client_id="app"), Client(client_id="app", require_signed_request_object=True)]
ISSUER, NOW = "https://id.test", 1_800_000_000.0
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
NAMES = ("iss", "aud", "sub", "exp", "nbf", "iat", "jti", "client_id", "request", "resource", "claims", "state", "x")
claims = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)


@given(found=claims, client=st.sampled_from(CLIENTS), sound=st.booleans())
def test_any_claims_at_all(found: dict[str, Any], client: Client, sound: bool) -> None:
    whole = {**found, **({"client_id": "app", "iss": "app", "aud": ISSUER} if sound else {})}
    error, parameters = None, Parameters([])
    try:
        check_claims(whole, client, ISSUER, NOW)
        parameters = parameters_of(whole)
    except Refused as refused:
        error = refused.error
    if error is not None:
        assert error == "invalid_request_object"
        return
    assert parameters.get("client_id") == "app"
    assert not {"iss", "aud", "sub", "exp", "nbf", "iat", "jti", "request"} & set(parameters)
    assert all("\0" not in value for _, value in parameters.pairs())
    once = answered_once(Parameters([*parameters.pairs(), *kept_beside(whole)]))
    assert (once is not None) is (whole.get("jti") is not None and whole.get("exp") is not None)


def test_what_counts_once_is_the_clients_own() -> None:
    beside = kept_beside({"jti": "one", "exp": NOW})
    found = [answered_once(Parameters([("client_id", name), *beside])) for name in ("app", "other")]
    assert found[0] == Once("request object", "app one", NOW + 30)
    assert found[0] != found[1]
