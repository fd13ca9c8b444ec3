"""Any issuer: the metadata, keys and tokens of other makes, over a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from verify_issuers import HYDRA, KEYCLOAK, OAUTH, SHAPES, Shape, served
from verify_tokens import NOW

from idp.verify import Refused, SyncVerifier, Verifier


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_its_tokens_are_taken(shape: Shape) -> None:
    with served(shape) as there:
        options: dict[str, Any] = {"clock": lambda: NOW, **shape.options}
        verified = SyncVerifier(there.issuer, "notes", **options).verify(there.token(), "read")
        assert verified.subject == shape.claims["sub"]
        again = asyncio.run(Verifier(there.issuer, "notes", **options).verify(there.token(), "read"))
        assert again == verified
        assert there.server.paths[-1] == shape.keys_at


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_meant_for_others_is_not(shape: Shape) -> None:
    with served(shape) as there:
        verifier = SyncVerifier(there.issuer, "notes", clock=lambda: NOW, **shape.options)
        with pytest.raises(Refused, match="aud is billing, this is notes"):
            verifier.verify(there.token(aud="billing"))
        with pytest.raises(Refused, match="expired 1 min 12 s ago"):
            verifier.verify(there.token(exp=NOW - 72))
        with pytest.raises(Refused) as lacking:
            verifier.verify(there.token(), "write")
        assert lacking.value.error == "insufficient_scope"


@pytest.mark.parametrize(("shape", "written"), [(HYDRA, ""), (KEYCLOAK, "/realms/shop/")])
def test_a_slash_more_or_less_is_named(shape: Shape, written: str) -> None:
    with served(shape) as there:
        issuer = f"http://127.0.0.1:{there.server.port}{written}"
        verifier = SyncVerifier(issuer, "notes", clock=lambda: NOW, **shape.options)
        with pytest.raises(Refused, match="differ in the slash at the end") as refused:
            verifier.verify(there.token())
        assert refused.value.reason == "issuer"
        with pytest.raises(Refused, match="the slash at the end: write it as the metadata does"):
            verifier.verify(there.token(iss=issuer))


def test_a_type_that_is_not_listed_is_refused_by_default() -> None:
    with served(KEYCLOAK) as there, pytest.raises(Refused, match=r"typ is JWT, expected at\+jwt"):
        SyncVerifier(there.issuer, "notes", clock=lambda: NOW).verify(there.token())


@pytest.mark.parametrize("missing", ["client_id", "jti", "iat"])
def test_what_rfc_9068_requires(missing: str) -> None:
    """Section 2.2; of other types only what decides is asked for, unless the API says more."""
    with served(OAUTH) as there:
        claims = {name: value for name, value in there.shape.claims.items() if name != missing}
        bare = type(there)(Shape(**{**vars(OAUTH), "claims": claims}), there.server, there.issuer).token()
        options: dict[str, Any] = {"clock": lambda: NOW}
        with pytest.raises(Refused, match=f"{missing} is missing") as refused:
            SyncVerifier(there.issuer, "notes", **options).verify(bare)
        assert (refused.value.reason, refused.value.expected) == ("claim", missing)
        assert SyncVerifier(there.issuer, "notes", required_claims=(), **options).verify(bare)
        with pytest.raises(Refused, match="tenant is missing"):
            SyncVerifier(there.issuer, "notes", required_claims="tenant", **options).verify(bare)


@pytest.mark.parametrize(
    ("scp", "found"), [(["a", "b"], ("a", "b")), ("a b", ("a", "b")), ([], ()), ("", ())], ids=repr
)
def test_scopes_in_scp(scp: Any, found: tuple[str, ...]) -> None:
    with served(HYDRA) as there:
        verifier = SyncVerifier(there.issuer, "notes", clock=lambda: NOW, typ="JWT")
        assert verifier.verify(there.token(scp=scp)).scopes == found
        assert verifier.verify(there.token(scp=scp, scope="c")).scopes == ("c",)


@pytest.mark.parametrize("scp", [5, None, {"a": 1}, ["a", 5], [["a"]]], ids=repr)
def test_scp_of_another_form(scp: Any) -> None:
    with served(HYDRA) as there, pytest.raises(Refused, match="scp is") as refused:
        SyncVerifier(there.issuer, "notes", clock=lambda: NOW, typ="JWT").verify(there.token(scp=scp))
    assert refused.value.reason == "claim"
