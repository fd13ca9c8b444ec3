"""Metrics: each counts what it says, by few words, on a listener apart; and not at all where nobody asked."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from support import WEB, Visitor, register, sign_in
from support.loopback import sink
from watch_support import Serving

from idp.accounts.sign_in import prove_password
from idp.store.database import Unavailable
from idp.testing import Provider, running_server
from idp.watch.meters import METRICS
from idp.watch.metrics import exposition

pytestmark = pytest.mark.anyio

_SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$', re.MULTILINE)
PORT = 9464  # only says that metrics are wanted: an application in-process opens no listener


def read(text: str) -> dict[str, float]:
    """``name{label="value",...}`` to number, labels in their order."""
    return {f"{name}{{{labels}}}" if labels else name: float(value) for name, labels, value in _SAMPLE.findall(text)}


async def scraped() -> dict[str, float]:
    transport = httpx2.ASGITransport(app=exposition())
    async with httpx2.AsyncClient(transport=transport, base_url="http://metrics") as http:
        return read((await http.get("/metrics")).text)


class Moved:
    """How far samples have moved since the block began; processes are shared by tests, so only that counts."""

    async def __aenter__(self) -> Moved:
        self._before = await scraped()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._after = await scraped()

    def __getitem__(self, sample: str) -> float:
        return self._after.get(sample, 0.0) - self._before.get(sample, 0.0)


async def test_requests_tokens_logins_and_refusals_are_counted() -> None:
    async with Provider(metrics_port=PORT) as provider:
        await register(provider, WEB)
        async with Moved() as moved:
            await sign_in(provider, WEB, "alice")
            visitor = Visitor(provider)
            page = await visitor.authorize(WEB.request())
            await visitor.log_in(page, "alice", "wrong")
            await visitor.log_in(page, "nobody-of-that-name", "wrong")
            await provider.control("user.disable", username="bob")
            await visitor.log_in(page, "bob", "bob")
            for _ in range(12):
                await visitor.log_in(page, "somebody", "a guess")
            await visitor.aclose()
            await WEB.redeem(provider.http, "ac.unknown")
            for _ in range(3):
                await provider.http.get("/.well-known/jwks.json")
                await provider.http.get("/nobody/knows/this")
            await provider.http.request("BREW", "/token")
    assert moved['idp_tokens_issued_total{grant_type="authorization_code"}'] == 1
    outcomes = {"success": 1, "wrong_password": 1, "unknown_person": 1 + 10, "disabled": 1, "throttled": 2, "busy": 0}
    for outcome, times in outcomes.items():
        assert moved[f'idp_logins_total{{outcome="{outcome}"}}'] == times, outcome
    assert moved['idp_refusals_total{error="invalid_grant"}'] == 1
    requests = 'idp_requests_total{endpoint="%s",method="%s",status="%s"}'
    assert moved[requests % ("/token", "POST", "2xx")] == 1
    assert moved[requests % ("/token", "POST", "4xx")] == 1
    assert moved[requests % ("/token", "other", "4xx")] == 1
    assert moved[requests % ("/.well-known/jwks.json", "GET", "2xx")] == 3
    assert moved[requests % ("other", "GET", "4xx")] == 3
    assert moved['idp_request_seconds_count{endpoint="/token"}'] == 3
    assert moved['idp_request_seconds_bucket{endpoint="/token",le="+Inf"}'] == 3
    assert moved['idp_database_seconds_count{kind="write"}'] > 3


async def test_a_request_refused_unread_is_counted_apart() -> None:
    with running_server(metrics_port=PORT) as server:
        server.application.admission.places = 0
        server.application.admission.most_waiting = 0
        async with Moved() as moved, httpx2.AsyncClient(base_url=server.issuer) as http:
            assert (await http.get("/hello")).status_code == 503
            assert (await http.get("/healthz")).status_code == 200
    assert moved["idp_requests_turned_away_total"] == 1
    assert moved['idp_requests_total{endpoint="/hello",method="GET",status="5xx"}'] == 0


async def test_the_issuers_path_is_no_part_of_a_label() -> None:
    async with Provider(issuer="http://localhost:8000/id/one", metrics_port=PORT) as provider, Moved() as moved:
        await provider.http.get("http://localhost:8000/id/one/healthz")
    assert moved['idp_requests_total{endpoint="/healthz",method="GET",status="2xx"}'] == 1


async def test_what_is_looked_up_is_current() -> None:
    with sink() as app:
        app.answers = [500]
        async with Provider(metrics_port=PORT, keys__signs=1000, keys__longest_cache=10) as provider:
            await provider.apply(f'{WEB.toml()}\nbackchannel_logout_uri = "{app.url}"')
            await provider.advance(100)
            found = await scraped()
            assert found['idp_signing_key_age_seconds{alg="ES256"}'] == 100
            assert found['idp_signing_key_next_switch_seconds{alg="RS256"}'] == 900
            assert found['idp_keys_published{alg="RS256"}'] == 2
            assert found["idp_logout_deliveries_pending"] == 0
            async with Moved() as moved:
                await sign_in(provider, WEB, "alice")
                await provider.control("user.disable", username="alice")
                await until(provider, "idp_logout_deliveries_pending", 1)
                await until(provider, "idp_logout_deliveries_pending", 0)
            for outcome, times in {"failed": 1, "delivered": 1, "given_up": 0}.items():
                assert moved[f'idp_logout_deliveries_total{{outcome="{outcome}"}}'] == times
    assert all(found[f'idp_job_success_timestamp_seconds{{job="{name}"}}'] for name in ("registry", "keys", "sweep"))


async def until(provider: Provider, sample: str, value: float) -> None:
    """Second by second, as the server's own jobs work beside the test's."""
    for _ in range(40):
        await provider.advance(1)
        if (await scraped())[sample] == value:
            return
    raise AssertionError(f"{sample} is {(await scraped())[sample]}, not {value}")


async def test_the_password_pool_and_an_outage() -> None:
    async with Provider(metrics_port=PORT, passwords__workers=1) as provider:
        tries = [asyncio.create_task(prove_password(provider.server, name, "guess", "n")) for name in "xyz"]
        await asyncio.sleep(0)
        while (found := await scraped())["idp_passwords_hashing"] == 0:
            await asyncio.sleep(0)
        assert (found["idp_passwords_hashing"], found["idp_passwords_waiting"]) == (1, 2)
        await asyncio.gather(*tries)
        found = await scraped()
        assert (found["idp_passwords_hashing"], found["idp_passwords_waiting"]) == (0, 0)

        async with Moved() as moved:
            with pytest.raises(Unavailable):
                await provider.server.database.read(_lost)
        assert moved["idp_database_unavailable_total"] >= 1


def _lost(connection: object) -> None:
    raise Unavailable("gone")


async def test_every_metric_is_there_and_says_what_it_is() -> None:
    async with Provider(metrics_port=PORT):
        transport = httpx2.ASGITransport(app=exposition())
        async with httpx2.AsyncClient(transport=transport, base_url="http://metrics") as http:
            answer, other = await http.get("/metrics"), await http.get("/")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert other.status_code == 404
    for name, metric in METRICS.items():
        assert f"# HELP {name} {metric.meaning}" in answer.text
        assert f"# TYPE {name} {metric.kind}" in answer.text
        assert (metric.kind == "gauge") is bool(metric.across)
    assert 'idp_build_info{version="' in answer.text


async def test_words_are_bounded() -> None:
    async with Provider(metrics_port=PORT) as provider:
        for number in range(200):
            provider.server.meters.refusal(f"word-{number}")
        found = [sample for sample in await scraped() if sample.startswith("idp_refusals_total{")]
    assert len(found) <= 65
    assert 'idp_refusals_total{error="other"}' in found


async def test_the_main_listener_has_no_metrics() -> None:
    async with Provider(metrics_port=PORT) as provider:
        assert (await provider.http.get("/metrics")).status_code == 404


_OFF = """
import asyncio, sys
from idp.testing import Provider
async def main():
    async with Provider() as provider:
        await provider.http.get("/healthz")
        print(type(provider.server.meters).__name__, type(provider.server.database).__name__)
asyncio.run(main())
print([name for name in sys.modules if name.split(".")[0] in ("prometheus_client", "opentelemetry")])
"""


def test_nobody_counts_where_nobody_asked() -> None:
    said = subprocess.run([sys.executable, "-c", _OFF], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.splitlines() == ["NoMeters Database", "[]"]


def test_one_process_shows_them_on_their_own_port(serve: Serving, free_port: Callable[[], int]) -> None:
    port = free_port()
    serve.install(f"metrics_port = {port}")
    with serve.running():
        serve.get("/healthz")
        status, text = serve.get("/metrics", f"http://127.0.0.1:{port}")
        assert status == 200
        assert read(text)['idp_requests_total{endpoint="/healthz",method="GET",status="2xx"}'] == 1
        assert serve.get("/metrics")[0] == 404


def test_the_page_names_every_metric() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "observe.md").read_text()
    assert not [name for name in METRICS if f"`{name}`" not in page]
