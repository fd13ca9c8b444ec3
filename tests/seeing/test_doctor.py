"""``idp doctor``: a healthy provider has no red line, and each sickness has one, with its mend."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from patient import JWKS, OAUTH, OPENID, Patient, patient
from seeing_support import Idp
from support.certificates import certificate

from idp.cli.group import run as run_command
from idp.diagnosis.doctor import Doctor
from idp.diagnosis.finding import Finding
from idp.jose.encoding import b64url
from idp.outbound import Outbound
from idp.testing import RunningServer


@pytest.fixture(scope="module")
def sick() -> Iterator[Patient]:
    with patient() as started:
        yield started


def examined(url: str, **options: Any) -> dict[str, Finding]:
    async def run() -> list[Finding]:
        outbound = Outbound((), options.get("ca_file"), loopback=True)
        try:
            return await Doctor(outbound, time.time, **options).examine(url)
        finally:
            await outbound.aclose()

    found = asyncio.run(run())
    assert len({finding.check for finding in found}) == len(found)
    assert all(finding.mend for finding in found if finding.state != "good")
    return {finding.check: finding for finding in found}


def states(found: dict[str, Finding], state: str) -> set[str]:
    return {name for name, finding in found.items() if finding.state == state}


def weak_key() -> dict[str, str]:
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    return {
        "kty": "RSA",
        "kid": "weak",
        "alg": "RS256",
        "n": b64url(numbers.n.to_bytes(128, "big")).decode(),
        "e": "AQAB",
    }


def keys_of(one: Patient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = one.documents[JWKS]["keys"]
    return found


def forwarded(headers: Any) -> dict[str, str]:
    return {"issuer": f"http://{headers['x-forwarded-host']}"} if "x-forwarded-host" in headers else {}


SICK: dict[str, tuple[Callable[[Patient], object], str, str]] = {
    "slash": (lambda one: one.both(issuer=one.url + "/"), "issuer", "slash at the end"),
    "host": (lambda one: one.both(issuer="http://internal:8080"), "issuer", "another host"),
    "no issuer": (lambda one: one.both(issuer=None), "issuer", "another issuer"),
    "two truths": (lambda one: one.documents[OAUTH].update(token_endpoint="http://x.test"), "documents", "different"),
    "proxy": (lambda one: setattr(one, "sick", forwarded), "forwarded", "from anybody"),
    "no pkce": (lambda one: one.both(code_challenge_methods_supported=None), "pkce", "not offered"),
    "plain alone": (lambda one: one.both(code_challenge_methods_supported=["plain"]), "pkce", "not offered"),
    "none": (
        lambda one: one.both(request_object_signing_alg_values_supported=["none"]),
        "alg-none",
        "alg none is offered",
    ),
    "clock": (lambda one: setattr(one, "clock", -40), "clock", "differ"),
    "clock ahead": (lambda one: setattr(one, "clock", 40), "clock", "differ"),
    "long cache": (
        lambda one: one.headers[JWKS].update({"cache-control": "max-age=172800"}),
        "cache",
        "more than a day",
    ),
    "weak": (lambda one: keys_of(one).append(weak_key()), "keys", "cannot use"),
    "private": (lambda one: keys_of(one)[0].update(d="AAAA"), "keys", "cannot use, or must not"),
    "no keys": (lambda one: keys_of(one).clear(), "keys", "no key"),
    "same kid": (lambda one: keys_of(one)[0].update(kid="b"), "kids", "told apart"),
    "no kid": (lambda one: keys_of(one)[0].pop("kid"), "kids", "told apart"),
    "lost keys": (lambda one: one.statuses.update({JWKS: 302}), "jwks", "no key set"),
    "token moves": (lambda one: one.statuses.update({"/token": 307}), "token", "strange"),
    "token in html": (lambda one: one.documents.update({"/token": b"<html>"}), "token", "strange"),
    "token with cookies": (
        lambda one: one.headers.update(
            {
                "/token": {
                    "access-control-allow-origin": "https://nobody.invalid",
                    "access-control-allow-credentials": "true",
                }
            }
        ),
        "cors-token",
        "any web page",
    ),
    "moved": (lambda one: one.statuses.update({OPENID: 301, OAUTH: 404}), "discovery", "redirect"),
    "html": (lambda one: one.documents.update({OPENID: b"<html>", OAUTH: b""}), "discovery", "no JSON"),
}


def test_a_healthy_provider(sick: Patient) -> None:
    sick.healthy()
    found = examined(sick.url)
    assert (states(found, "bad"), states(found, "note")) == (set(), {"tls"})


@pytest.mark.parametrize("name", SICK)
def test_each_sickness_has_its_red_line(sick: Patient, name: str) -> None:
    sick.healthy()
    sick.sick, sick.clock = lambda headers: {}, 0.0
    change, check, words = SICK[name]
    change(sick)
    found = examined(sick.url)
    assert check in states(found, "bad")
    assert words in found[check].said
    assert states(found, "bad") - {check} <= ({"algorithms"} if name == "no keys" else set())
    sick.sick, sick.clock = lambda headers: {}, 0.0


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda one: one.both(authorization_response_iss_parameter_supported=None), "iss"),
        (lambda one: one.both(code_challenge_methods_supported=["plain", "S256"]), "pkce"),
        (lambda one: one.both(token_endpoint=one.url.replace("localhost", "127.0.0.1") + "/token"), "addresses"),
        (lambda one: one.both(id_token_signing_alg_values_supported=["ES256", "PS512"]), "algorithms"),
        (lambda one: keys_of(one).pop(), "successor"),
        (lambda one: one.headers[JWKS].pop("cache-control"), "cache"),
        (lambda one: one.headers[OPENID].clear(), "cors"),
        (lambda one: one.documents.pop(OAUTH), "documents"),
    ],
    ids=["iss", "plain", "host", "algorithms", "successor", "cache", "cors", "documents"],
)
def test_what_is_worth_knowing_is_yellow(sick: Patient, change: Callable[[Patient], object], check: str) -> None:
    sick.healthy()
    change(sick)
    found = examined(sick.url)
    assert (states(found, "bad"), states(found, "note")) == (set(), {"tls", check})


def test_a_cache_longer_than_a_key_waits_is_found_where_the_provider_tells(sick: Patient) -> None:
    sick.healthy()
    assert "before every cache" in examined(sick.url, lead=300.0)["cache"].said
    assert examined(sick.url, lead=301.0)["cache"].state == "good"


def test_the_origin_of_an_app_is_tried(sick: Patient) -> None:
    sick.healthy()
    app = "https://app.example"
    assert examined(sick.url, origin=app)["cors-token"].state == "bad"
    sick.headers["/token"] = {"access-control-allow-origin": app}
    assert examined(sick.url, origin=app)["cors-token"].state == "good"


def test_over_tls(tmp_path: Path) -> None:
    """The address of this machine has no public certificate: its own authority is named, and 30 days are enough."""
    cert, key = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with patient(tls=context) as one:
        found = examined(one.url, ca_file=cert)
        assert states(found, "bad") == set()
        assert "TLSv1.3" in found["tls"].said
        one.both(issuer=one.url.replace("https", "http"), token_endpoint=one.url.replace("https", "http") + "/token")
        found = examined(one.url, ca_file=cert)
        assert "calls itself http" in found["issuer"].said
        assert found["addresses"].received == "token_endpoint"
        untrusted = examined(one.url)
        assert states(untrusted, "bad") == {"tls", "discovery"}
        assert "self" in untrusted["tls"].received
        late = asyncio.run(_late(one.url, cert))
        assert (late.state, late.said) == ("bad", "the certificate expires soon")


async def _late(url: str, cert: Path) -> Finding:
    outbound = Outbound((), cert, loopback=True)
    try:
        return (await Doctor(outbound, lambda: time.time() + 20 * 86_400, cert).examine(url))[0]
    finally:
        await outbound.aclose()


def test_ours_is_healthy_and_the_exit_status_says_so(idp: Idp, server: RunningServer, sick: Patient) -> None:
    said = idp("doctor", server.issuer)
    assert (said.status, "FAIL" in said.out) == (0, False)
    assert "a key waits 1.1 s or more before it signs" in said.out
    said = idp("doctor", f"{server.issuer}/.well-known/openid-configuration", "--json")
    told = json.loads(said.out)
    assert (told["issuer"], told["healthy"]) == (server.issuer, True)
    sick.healthy()
    sick.both(issuer=sick.url + "/")
    said = idp("doctor", sick.url)
    assert said.status == 1
    assert f"idp doctor {sick.url}/" in said.out
    assert said.out.rstrip().endswith("1 of 19 to mend")


@pytest.mark.parametrize("url", ["http://id.example.com", "ftp://localhost", "localhost:8000", "https://"])
def test_what_is_no_issuer_is_not_asked(capfd: pytest.CaptureFixture[str], url: str) -> None:
    assert run_command(["doctor", url]) == 2
    assert "https" in capfd.readouterr().err


def test_a_private_network_is_called_only_by_name() -> None:
    """Loopback is not reached for an issuer that is elsewhere, whatever its name leads to."""

    async def run() -> list[Finding]:
        return await Doctor(Outbound(), time.time).examine("https://127.0.0.1:9")

    found = {finding.check: finding for finding in asyncio.run(run())}
    assert "not an address this server may call" in found["tls"].received
    assert "--allow" in found["tls"].mend
