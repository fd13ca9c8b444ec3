"""``idp probe``: an API with ``idp.verify`` takes nothing, and each mistake of a sloppy one is found by its row."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import pytest
from seeing_support import Idp
from sloppy import MISTAKES, Sloppy, sloppy_api

from idp.cli.group import run as run_command
from idp.diagnosis.catalogue import ROWS
from idp.diagnosis.finding import Finding
from idp.diagnosis.forging import Material
from idp.diagnosis.probe import Api, NothingShown, probe
from idp.diagnosis.stranger import at_home, make_stranger
from idp.jose import PublicKey, read_unverified, thumbprint
from idp.outbound import Outbound
from idp.testing import RunningServer
from idp.verify import Verifier

# What a mistake opens beside its own row: who does not look at the signature sees none of what hangs on it.
WIDER = {
    "bad-signature": {"bad-signature", "changed-payload", "stripped-cnf", "truncated"},
    "unknown-kid": {"unknown-kid", "jwk-header", "jku-header", "x5u-header", "kid-path"},
    "truncated": {"truncated", "alg-none"},
    "wrong-type": {"wrong-type", "id-token"},
    "id-token": {"wrong-type", "id-token", "wrong-audience"},
    "only-fetches": {"jku-header"},
    "crash": {"hs256-public", "kid-path"},
}
for _same in ("changed-payload", "stripped-cnf"):
    WIDER[_same] = WIDER["bad-signature"]


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Iterator[Sloppy]:
    keys = {key["kid"]: key for key in server.control("keys.jwks")["jwks"]["keys"]}
    with sloppy_api(Sloppy(server.issuer, keys, Verifier(server.issuer, server.issuer))) as started:
        yield started


def probed(server: RunningServer, url: str) -> dict[str, Finding]:
    async def run() -> list[Finding]:
        stranger = make_stranger(time.time())
        made = server.control("probe.tokens", person="alice", thumbprint=thumbprint(stranger.signer.jwk()))
        kid = read_unverified(made["good"]).header["kid"]
        jwk = next(key for key in server.control("keys.jwks")["jwks"]["keys"] if key["kid"] == kid)
        outbound = Outbound(loopback=True)
        async with at_home(stranger):
            material = Material(
                made["good"],
                PublicKey.from_jwk(jwk),
                stranger.signer,
                made["bad"],
                stranger.keys_at,
                stranger.certificate_at,
                stranger.certificate_text,
            )
            try:
                return await probe(Api(outbound, url), material, (), stranger.fetched)
            finally:
                await outbound.aclose()

    return {finding.check: finding for finding in asyncio.run(run())}


def test_every_row_has_a_sloppy_api() -> None:
    assert set(ROWS) - {"retired-kid"} == set(MISTAKES) - {"only-fetches", "crash"}


def test_an_api_with_our_verifier_takes_none(server: RunningServer, api: Sloppy) -> None:
    found = probed(server, f"{api.url}/strict")
    assert {name for name, finding in found.items() if finding.state == "bad"} == set()
    assert {name for name, finding in found.items() if finding.state == "note"} == {"retired-kid"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_found(server: RunningServer, api: Sloppy, mistake: str) -> None:
    found = probed(server, f"{api.url}/{mistake}")
    wrong = {name: finding for name, finding in found.items() if finding.state == "bad"}
    assert set(wrong) == WIDER.get(mistake, {mistake})
    assert all(finding.mend and finding.received and finding.expected for finding in wrong.values())
    begins = {"only-fetches": "refused, but", "crash": "the API broke on"}.get(mistake, "accepted: ")
    assert all(finding.said.startswith(begins) for finding in wrong.values())


@pytest.mark.parametrize(
    ("path", "said"), [("open", "without a token"), ("busy", "without a token"), ("lost", "a good")]
)
def test_without_a_good_token_that_opens_nothing_is_shown(
    server: RunningServer, api: Sloppy, path: str, said: str
) -> None:
    with pytest.raises(NothingShown, match=said) as caught:
        probed(server, f"{api.url}/{path}")
    assert caught.value.mend


def test_the_command_says_each_row_and_its_mend(idp: Idp, server: RunningServer, api: Sloppy) -> None:
    said = idp("probe", f"{api.url}/strict")
    assert (said.status, "0 wrongly accepted, 20 refused, 1 not tried" in said.out) == (0, True)
    said = idp("probe", f"{api.url}/wrong-audience")
    assert said.status == 1
    assert "accepted: meant for another API" in said.out
    assert "mend      aud:" in said.out
    said = idp("probe", f"{api.url}/expired", "--json")
    told = json.loads(said.out)
    assert (told["accepted"], [row["check"] for row in told["findings"] if row["state"] == "bad"]) == (1, ["expired"])
    events = [event["event"] for event in server.control("audit.tail", limit=10)["events"]]
    assert "operator.probe" in events
    assert idp("probe", f"{api.url}/nowhere").status == 2


def test_a_token_of_any_issuer_tries_what_needs_no_key(idp: Idp, server: RunningServer, api: Sloppy) -> None:
    said = idp("probe", f"{api.url}/strict", "--token", server.token_for("alice"), "--json")
    told = json.loads(said.out)
    assert (said.status, told["accepted"]) == (0, 0)
    untried = {row["check"] for row in told["findings"] if row["state"] == "note"}
    assert untried == {name for name, row in ROWS.items() if row.issuer} | {"retired-kid", "stripped-cnf"}


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("https://api.example.com/notes", (), "--i-own-this"),
        ("http://192.168.1.5/notes", (), "--i-own-this"),
        ("http://localhost.example.com/", (), "--i-own-this"),
        ("http://api.example.com/notes", ("--i-own-this",), "https alone"),
        ("ftp://localhost/", (), "an address"),
        ("http://localhost/", ("--retire", "--token", "a.b.c"), "withdraws a key"),
    ],
)
def test_nothing_is_attacked_that_nobody_said_to_own(
    capfd: pytest.CaptureFixture[str], url: str, options: tuple[str, ...], said: str
) -> None:
    assert run_command(["probe", url, *options]) == 2
    assert said in capfd.readouterr().err


def test_tokens_nobody_can_read_are_none_to_probe_with(idp: Idp, server: RunningServer, api: Sloppy) -> None:
    server.apply(
        '[[resources]]\nuri = "https://opaque.test"\naccess_token_format = "opaque"\nscopes = []\n'
        '[[clients]]\nclient_id = "app"\ntoken_endpoint_auth_method = "none"\napplication_type = "native"\n'
        'redirect_uris = ["http://127.0.0.1/cb"]\nresources = ["https://opaque.test"]\nscope = "openid"\n'
    )
    asked = ("--client", "app", "--resource", "https://opaque.test")
    said = idp("probe", f"{api.url}/strict", *asked)
    assert (said.status, "opaque tokens are judged by the issuer" in said.err) == (1, True)
    said = idp("watch", "--seconds", "1", *asked)
    assert (said.status, "tokens in JWT form" in said.err) == (1, True)


def test_a_withdrawn_key_is_shown_to_who_keeps_keys_for_ever(idp: Idp, api: Sloppy) -> None:
    """Last in this file: it changes the keys. ``Sloppy.keys`` is a set that is never renewed."""
    said = idp("probe", f"{api.url}/strict", "--retire", "--json")
    rows = {row["check"]: row["state"] for row in json.loads(said.out)["findings"]}
    assert (said.status, rows["retired-kid"]) == (0, "good")
    api.keys |= {key["kid"]: key for key in api_keys(idp)}
    kept = idp("probe", f"{api.url}/wrong-type", "--retire", "--json")
    rows = {row["check"]: row["state"] for row in json.loads(kept.out)["findings"]}
    assert rows["retired-kid"] == "bad"


def api_keys(idp: Idp) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(idp("keys", "export").out)["keys"]
    return found
