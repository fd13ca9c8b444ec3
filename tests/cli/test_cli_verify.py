"""``idp verify``: the answer of a resource server that holds public keys and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_support import ISSUER, Idp, Issuer

from idp.jose import PublicKey


@pytest.fixture
def keys(here: Path, issuer: Issuer) -> Path:
    path = here / "keys.json"
    path.write_text(json.dumps(issuer.jwks))
    (here / "public.pem").write_bytes(PublicKey.from_jwk(issuer.jwks["keys"][0]).to_pem())
    return path


@pytest.mark.parametrize("source", [("--jwks", "keys.json"), ("--pem", "public.pem")])
def test_a_good_token_is_valid_offline(idp: Idp, keys: Path, issuer: Issuer, source: tuple[str, str]) -> None:
    said = idp("verify", *source, issuer.token())
    assert said.status == 0
    assert said.out.startswith("valid")
    assert "kid=key-ES256" in said.out
    assert said.out.count("pass --") == 2
    assert "only the public key was needed" in said.err


def test_pinned_issuer_and_audience(idp: Idp, keys: Path, issuer: Issuer) -> None:
    said = idp("verify", "--jwks", "keys.json", "--issuer", ISSUER, "--audience", ISSUER, issuer.token())
    assert said.status == 0
    assert "pass --" not in said.out


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"exp": 1}, (), ["expired", "idp token"]),
        ({"exp": None}, (), ["exp"]),
        ({"iat": 4_000_000_000, "exp": 4_000_000_300}, (), ["in the future", "clocks"]),
        ({"iss": None}, (), ["iss"]),
        ({"aud": None}, (), ["aud"]),
        ({"sub": None}, (), ["sub"]),
        ({}, ("--audience", "https://api.example"), ["aud is", "https://api.example", "--resource"]),
        ({}, ("--issuer", ISSUER + "/"), ["iss is", "slash"]),
        ({"typ": "JWT"}, (), ["typ is JWT", "--typ JWT"]),
    ],
)
def test_each_refusal_names_its_cause_and_mend(
    idp: Idp, keys: Path, issuer: Issuer, changes: dict[str, Any], options: tuple[str, ...], words: list[str]
) -> None:
    said = idp("verify", "--jwks", "keys.json", *options, issuer.token(**changes))
    assert said.status == 1
    assert said.out == ""
    assert said.err.startswith("not valid: ")
    assert all(word in said.err for word in [*words, "mend"]), said.err


def test_an_id_token_is_verified_when_it_is_asked_for(idp: Idp, keys: Path, issuer: Issuer) -> None:
    assert idp("verify", "--jwks", "keys.json", "--typ", "JWT", issuer.token(typ="JWT")).status == 0


def test_leeway_is_for_clocks(idp: Idp, keys: Path, issuer: Issuer) -> None:
    token = issuer.token(exp=int(time.time()) - 5)
    assert idp("verify", "--jwks", "keys.json", token).status == 0
    assert idp("verify", "--jwks", "keys.json", "--leeway", "0", token).status == 1


@pytest.mark.parametrize("source", [("--jwks", "keys.json"), ("--pem", "public.pem")])
def test_a_changed_token_is_refused(idp: Idp, keys: Path, issuer: Issuer, source: tuple[str, str]) -> None:
    header, payload, signature = issuer.token().split(".")
    changed = issuer.token(sub="mallory").split(".")[1]
    said = idp("verify", *source, f"{header}.{changed}.{signature}")
    assert said.status == 1
    assert "not valid" in said.err
    assert payload != changed


def test_the_signature_of_another_key_is_refused(idp: Idp, keys: Path, issuers: Callable[[str], Issuer]) -> None:
    said = idp("verify", "--jwks", "keys.json", issuers("RS256").token())
    assert said.status == 1
    assert "key-ES256" in said.err


def test_a_token_without_signature_is_refused(idp: Idp, keys: Path, issuer: Issuer) -> None:
    none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0"
    said = idp("verify", "--jwks", "keys.json", f"{none}.{issuer.token().split('.')[1]}.")
    assert said.status == 1
    assert "alg" in said.err


def test_of_several_pem_keys_the_one_that_fits_is_found(idp: Idp, here: Path, issuers: Callable[[str], Issuer]) -> None:
    found = [PublicKey.from_jwk(issuers(alg).jwks["keys"][0]).to_pem() for alg in ("ES256", "RS256")]
    (here / "both.pem").write_bytes(b"".join(found))
    for alg in ("ES256", "RS256"):
        assert idp("verify", "--pem", "both.pem", issuers(alg).token()).status == 0


@pytest.mark.parametrize(
    ("options", "content", "words"),
    [
        (("--jwks", "file"), None, ["No such file"]),
        (("--jwks", "file"), "-----BEGIN PUBLIC KEY-----", ["--pem"]),
        (("--jwks", "file"), '{"keys": []}', ["RFC 7517"]),
        (("--jwks", "file"), "x" * 100_000, ["more than"]),
        (("--pem", "file"), "{}", ["no PEM block"]),
        (("--pem", "file", "--jwks", "file"), "{}", ["one source of keys"]),
        (("--jwks", "http://id.example.com/jwks"), None, ["https"]),
    ],
)
def test_keys_that_are_none_are_told(
    idp: Idp, here: Path, issuer: Issuer, options: tuple[str, ...], content: str | None, words: list[str]
) -> None:
    if content is not None:
        (here / "file").write_text(content)
    said = idp("verify", *options, issuer.token())
    assert said.status in (1, 2)
    assert all(word in said.err for word in words), said.err


def test_a_private_key_is_never_asked_for(idp: Idp, here: Path, issuer: Issuer) -> None:
    (here / "private.pem").write_text("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n")
    said = idp("verify", "--pem", "private.pem", issuer.token())
    assert said.status == 2
    assert "private" in said.err


def test_an_issuer_elsewhere_is_not_called_because_a_token_says_so(idp: Idp, issuer: Issuer) -> None:
    said = idp("verify", issuer.token(iss="https://evil.example"))
    assert said.status == 2
    assert "--jwks" in said.err
