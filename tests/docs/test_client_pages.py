"""docs/client-documents.md, protected-resources.md and opaque-tokens.md: what they show happens."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from doc_blocks import ROOT, Block, blocks

from idp.cli.group import run
from idp.settings_client_documents import ClientDocuments
from idp.testing import Provider, RunningServer, running_server
from idp.web import client_documents

pytestmark = pytest.mark.anyio


def page(name: str) -> list[Block]:
    return list(blocks(text(name)))


def text(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def only(name: str, language: str) -> list[str]:
    return ["\n".join(block.lines) for block in page(name) if block.language == language]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[str]:
    """What ``python -m http.server`` serves; its port."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    document = only("client-documents", "json")[0].replace(":9000", f":{http.server_port}")
    (tmp_path / "client.json").write_text(document)
    yield str(http.server_port)
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def dev() -> Iterator[RunningServer]:
    with running_server(client_documents__mode="any") as found:
        yield found


def test_a_document_on_this_machine(folder: str, dev: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_ISSUER", dev.issuer)
    monkeypatch.setenv("IDP_DATA_DIR", str(dev.data_dir))
    shown = next(block for block in only("client-documents", "sh") if block.startswith("curl"))
    words = shlex.split(shown.replace("\\\n", " ").replace(":9000", f":{folder}"))
    given = dict(word.partition("=")[::2] for word in words if "=" in word)
    host = f"localhost:{folder}"
    with httpx2.Client(base_url=dev.issuer) as http:
        answer = http.get("/authorize", params=given)
        assert answer.headers["location"].startswith("/login?")
        login = http.get(answer.headers["location"])
        assert f'<strong id="client-host">{host}</strong>' in login.text
        disable, enable = only("client-documents", "sh")[-1].replace(":9000", f":{folder}").splitlines()
        assert run(shlex.split(disable)[1:]) == 0
        assert http.get("/authorize", params=given).status_code == 400
        assert run(shlex.split(enable)[1:]) == 0
        assert http.get("/authorize", params=given).status_code == 303


def test_its_numbers_are_the_code_s() -> None:
    shown, defaults = text("client-documents"), ClientDocuments()
    for name in ("cache_least", "cache_most", "stale"):
        assert f"`client_documents.{name}` | {getattr(defaults, name)} |" in shown
    assert f"where it says nothing | {client_documents._USUAL:g} |" in shown
    assert shown.count(f"| {client_documents._SHARE.capacity} |") == 2
    assert f"| {client_documents._ALL.capacity} |" in shown


async def test_the_issuer_as_a_resource() -> None:
    async with Provider() as provider:
        answer = await provider.http.get("/userinfo")
        challenge = only("protected-resources", "text")[0].splitlines()[1].partition(": ")[2]
        assert answer.headers["www-authenticate"] == challenge
        found = (await provider.http.get("/.well-known/oauth-protected-resource")).json()
        assert {**json.loads(only("protected-resources", "json")[0]), **found} == found


async def test_an_opaque_token() -> None:
    with running_server() as server:
        resource, client = (shlex.split(line)[2:] for line in only("opaque-tokens", "sh")[0].splitlines())
        assert resource[0] == "add"
        added = server.control("resource.add", resource={"uri": resource[1], "access_token_format": "opaque"})
        assert added["resource"]["access_token_format"] == "opaque"
        assert client[:2] == ["add", "shop-service"]
        server.apply(only("opaque-tokens", "toml")[0])
