"""A request under another name than the issuer's: the same answer, and one line in the log that says how to mend it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from support.serving import serving

from idp.app import Application
from idp.web.foreign_host import MOST

pytestmark = pytest.mark.anyio
ISSUER = "https://id.example.com/tenant"
DOCUMENT = f"{ISSUER}/.well-known/openid-configuration"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Application, httpx2.AsyncClient]]:
    async with serving(tmp_path, issuer=ISSUER) as (application, http):
        yield application, http


Served = tuple[Application, httpx2.AsyncClient]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "idp.host"]


async def test_it_is_told_once_a_name_with_the_cure(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    _, http = served
    plain = await http.get(DOCUMENT)
    for host in ("10.0.0.7:8000", "10.0.0.7:8001", "idp", "IDP", "idp"):
        for path in (DOCUMENT, f"{ISSUER}/authorize", f"{ISSUER}/nowhere"):
            answer = await http.get(path, headers={"host": host})
            assert path != DOCUMENT or (answer.content, answer.headers) == (plain.content, plain.headers)
    told = lines(caplog)
    assert len(told) == 2
    assert all("id.example.com, the issuer's" in line and "proxy_set_header Host $host" in line for line in told)
    assert "Host 10.0.0.7:8000" in told[0]
    assert "Host idp" in told[1]
    assert {record.levelno for record in caplog.records if record.name == "idp.host"} == {logging.WARNING}


async def test_the_issuers_own_name_and_probes_are_not_told(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    _, http = served
    for host in ("id.example.com", "id.example.com:443", "ID.Example.com", "id.example.com:8000"):
        assert (await http.get(DOCUMENT, headers={"host": host})).status_code == 200
    for path in ("healthz", "readyz"):
        assert (await http.get(f"{ISSUER}/{path}", headers={"host": "10.0.0.7"})).status_code == 200
    assert lines(caplog) == []


async def test_a_scanner_fills_no_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    application, http = served
    for number in range(3 * MOST):
        await http.get(DOCUMENT, headers={"host": f"{number}.example"})
    assert len(lines(caplog)) == MOST + 1
    assert "further ones are not told" in lines(caplog)[-1]
    application.server.clock.advance(3601)  # type: ignore[attr-defined]
    await http.get(DOCUMENT, headers={"host": "0.example"})
    assert len(lines(caplog)) == MOST + 2


async def test_a_name_cannot_write_a_line_of_its_own(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    _, http = served
    for host in (b"a\x1b[31m", b"x" * 3000, b""):
        await http.get(DOCUMENT, headers=[(b"host", host)])
    assert len(lines(caplog)) == 3
    assert all(line.isprintable() and len(line) < 600 for line in lines(caplog))
