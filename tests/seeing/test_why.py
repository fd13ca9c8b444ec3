"""``idp why``: what it says first is what the verifier says; what it says beside that is true too."""

from __future__ import annotations

import asyncio
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from seeing_support import Idp

from idp.cli.group import run as run_command
from idp.diagnosis.why import why
from idp.jose import LocalSigner, generate_private_key, sign_compact
from idp.jose.encoding import b64url
from idp.testing import RunningServer, running_server
from idp.verify import Refused, Verifier
from idp.verify.every import CHECKS, Asked, every_refusal

NOW = 1_800_000_000
ISSUER, AUDIENCE = "https://id.test", "https://api.test"
SIGNER = LocalSigner(generate_private_key("ES256"), "one", "ES256")
OTHER = LocalSigner(generate_private_key("ES256"), "one", "ES256")
JWKS: dict[str, Any] = {"keys": [dict(SIGNER.jwk())]}
CLAIMS = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "alice",
    "iat": NOW,
    "exp": NOW + 60,
    "scope": "read",
    "client_id": "app",
    "jti": "1",
}
ASKED = Asked(ISSUER, (AUDIENCE,))


def token(typ: str = "at+jwt", signer: LocalSigner = SIGNER, **changes: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return asyncio.run(sign_compact(signer, typ, claims))


def headed(**header: Any) -> str:
    parts = ({"alg": "ES256", "kid": "one", "typ": "at+jwt", **header}, CLAIMS)
    message = b".".join(b64url(json.dumps(part).encode()) for part in parts)
    return (message + b"." + b64url(SIGNER.sign_now(message))).decode()


CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "good": (token(), ()),
    "nothing": ("", ("form",)),
    "opaque": ("abc", ("form",)),
    "broken": (token()[:-3] + "!!!", ("form",)),
    "none": (headed(alg="none"), ("alg",)),
    "no alg": (headed(alg=None), ("form",)),
    "hs256": (headed(alg="HS256"), ("alg",)),
    "rs512": (headed(alg="RS512"), ("alg", "key")),
    "critical": (headed(crit=["exp"]), ("crit", "key")),
    "typ": (token("JWT"), ("typ",)),
    "issuer": (token(iss="https://other.test"), ("iss",)),
    "slash": (token(iss=ISSUER + "/"), ("iss",)),
    "no issuer": (token(iss=None), ("iss",)),
    "audience": (token(aud=["https://b.test"]), ("aud",)),
    "no audience": (token(aud=None), ("aud",)),
    "expired": (token(exp=NOW - 40), ("exp",)),
    "no exp": (token(exp=None), ("exp",)),
    "exp in words": (token(exp="soon"), ("exp",)),
    "early": (token(nbf=NOW + 90), ("nbf",)),
    "nbf in words": (token(nbf=True), ("nbf",)),
    "future": (token(iat=NOW + 90), ("iat",)),
    "iat in words": (token(iat="now"), ("iat",)),
    "no subject": (token(sub=""), ("sub",)),
    "scope as a list": (token(scope=["read"]), ("scope",)),
    "unknown key": (headed(kid="two"), ("key",)),
    "other key": (token(signer=OTHER), ("signature",)),
    "bound": (token(cnf={"jkt": "x"}), ("cnf",)),
    "everything": (
        token(
            "JWT", OTHER, iss="https://b.test", aud="b", exp=NOW - 99, nbf=NOW + 99, iat="x", sub=1, scope=[], cnf={}
        ),
        ("typ", "iss", "aud", "exp", "nbf", "iat", "sub", "scope", "signature", "cnf"),
    ),
    "two times": (token(exp="x", nbf="x"), ("exp", "nbf")),
}


def of_verifier(text: str, scopes: tuple[str, ...] = ()) -> Refused | None:
    try:
        Verifier(ISSUER, AUDIENCE, jwks=JWKS, clock=lambda: NOW).verify_sync(text, scopes)
    except Refused as refused:
        return refused
    return None


@pytest.mark.parametrize("case", CASES)
def test_every_reason_is_found_and_the_first_is_the_verifiers(case: str) -> None:
    text, expected = CASES[case]
    found = every_refusal(text, ASKED, JWKS, NOW)
    assert tuple(found) == expected
    first, verifiers = next(iter(found.values()), None), of_verifier(text)
    assert (first and (first.reason, str(first))) == (verifiers and (verifiers.reason, str(verifiers)))


def test_what_a_token_has_to_carry_is_asked_as_the_verifier_asks() -> None:
    text = token(client_id=None, jti=None, iat=None, exp=NOW - 99)
    found, verifiers = every_refusal(text, ASKED, JWKS, NOW), of_verifier(text)
    assert verifiers
    assert str(next(iter(found.values()))) == str(verifiers)
    assert set(found) <= {"exp", "iat", "claims"}
    alive = token(client_id=None, jti=None)
    first = next(iter(every_refusal(alive, ASKED, JWKS, NOW).values()), None)
    assert str(first) == str(of_verifier(alive))


def test_scopes_come_last_and_the_time_is_the_askers() -> None:
    asked = Asked(ISSUER, (AUDIENCE,), scopes=("read", "write"))
    assert list(every_refusal(token(cnf={}), asked, JWKS, NOW)) == ["cnf", "scopes"]
    assert str(every_refusal(token(), asked, JWKS, NOW)["scopes"]) == str(of_verifier(token(), ("read", "write")))
    assert list(every_refusal(token(), ASKED, JWKS, NOW + 1000)) == ["exp"]
    assert list(every_refusal(token(nbf=NOW), ASKED, JWKS, NOW - 1000)) == ["nbf", "iat"]


@pytest.mark.parametrize("case", CASES)
def test_each_finding_has_received_expected_and_mend(case: str) -> None:
    found = why(CASES[case][0], ASKED, JWKS, NOW)
    wrong = [finding for finding in found if finding.state == "bad"]
    assert tuple(finding.check for finding in wrong) == CASES[case][1]
    assert all(finding.expected and finding.mend and finding.said for finding in wrong)
    names = [finding.check for finding in found]
    assert names == sorted(names, key=CHECKS.index)


def test_without_keys_the_signature_is_no_green_line() -> None:
    states = {finding.check: finding.state for finding in why(token(signer=OTHER), ASKED, None, NOW)}
    assert (states["key"], states["signature"], states["aud"]) == ("note", "note", "good")
    states = {finding.check: finding.state for finding in why(headed(alg="none"), ASKED, JWKS, NOW)}
    assert (states["alg"], states["signature"]) == ("bad", "note")
    states = {finding.check: finding.state for finding in why(headed(kid="two"), ASKED, JWKS, NOW)}
    assert (states["key"], states["signature"]) == ("bad", "note")


def test_the_command(idp: Idp, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = server.token_for("alice", scope="openid")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"Authorization: Bearer {text}\n"))
    said = idp("why", "-")
    assert (said.status, said.out.splitlines()[0]) == (0, "accepted")
    assert "this installation" in said.out
    assert "pass --audience" in said.err
    said = idp("why", text, "--audience", "https://b.test", "--scope", "admin", "--at", str(int(time.time()) + 4000))
    assert said.status == 1
    assert said.out.startswith("refused: aud is ")
    assert [line.split()[1] for line in said.out.splitlines() if line.startswith("FAIL")] == ["aud", "exp", "scopes"]
    assert "aud decides" in said.err
    told = json.loads(idp("why", text[:-4] + "AAAA", "--json").out)
    assert (told["accepted"], told["decides"]) == (False, "signature")
    discovered = idp("why", text, "--issuer", server.issuer, "--audience", server.issuer, "--alg", "ES256")
    assert (discovered.status, "alg is RS256, expected ES256" in discovered.out) == (1, True)
    assert idp("why", text, "--alg", "HS256").status == 2


def test_it_works_with_the_server_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with running_server(data_dir=tmp_path) as server:
        text, issuer = server.token_for("alice"), server.issuer
    for name, value in (("DATA_DIR", str(tmp_path)), ("ISSUER", issuer)):
        monkeypatch.setenv(f"IDP_{name}", value)
    key = next(tmp_path.glob("*key*"), None)
    if key is not None:
        monkeypatch.setenv("IDP_KEY_ENCRYPTION_KEY_FILE", str(key))
    monkeypatch.chdir(tmp_path)
    assert run_command(["why", text]) == 0
    assert f"with keys from this installation ({issuer})" in capfd.readouterr().out


def test_an_issuer_elsewhere_is_not_called_because_a_token_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["why", token(), "--at", str(NOW)]) == 0  # a call would end in a refusal: no such host
    said = capfd.readouterr().out
    assert "who wrote it was not looked at" in said
    assert list(tmp_path.iterdir()) == []
