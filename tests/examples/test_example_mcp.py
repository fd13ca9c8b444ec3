"""examples/mcp: the page followed with the SDK's own client and server, registered by itself and by a document."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from following import Readme, Running, unused_port
from person import Person
from support.document_site import Site, document_site

CLIENT = "python examples/mcp/client.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with document_site(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Readme]:
    page = Readme("mcp", tmp_path_factory.mktemp("mcp"), {8000: unused_port(), 9000: unused_port()})
    page.environ["BROWSER"] = "true"
    with (
        page.dev(IDP_OUTBOUND_CA_FILE=str(site.ca_file)),
        page.started("python examples/mcp/server.py", "Notes at") as server,
    ):
        page.up(9000)
        yield page
        assert "Traceback" not in server.said()


def address(program: Running) -> str:
    return program.told(r"open this yourself:\n(\S+)\n")


def test_the_page_as_printed(readme: Readme) -> None:
    issuer, here = f"http://localhost:{readme.ports[8000]}", f"http://localhost:{readme.ports[9000]}/mcp"
    said = readme.run("curl -i -X POST localhost:9000/mcp").stdout
    assert "401 Unauthorized" in said
    assert f'resource_metadata="http://localhost:{readme.ports[9000]}/.well-known/oauth-protected-resource/mcp"' in said
    told = httpx2.get(f"http://localhost:{readme.ports[9000]}/.well-known/oauth-protected-resource/mcp").json()
    assert told["resource"] == here
    assert [url.rstrip("/") for url in told["authorization_servers"]] == [issuer]

    with readme.started(f"{CLIENT} today") as client, Person() as alice:
        url = address(client)
        asked = parse_qs(urlsplit(url).query)
        assert asked["resource"] == [here]
        for state in ("", "guessed"):
            assert httpx2.get(asked["redirect_uri"][0], params={"code": "theirs", "state": state}).status_code == 404
        assert "You can close this window" in alice.visit(url).text
        client.says("the note today of alice")
        assert client.ends() == 0


def test_by_a_document(readme: Readme, site: Site) -> None:
    url = site.publish(redirect_uris=["http://127.0.0.1/callback"])
    with (
        readme.also(f"{CLIENT} --document {url} today") as command,
        readme.started(command) as client,
        Person() as alice,
    ):
        alice.visit(address(client))
        assert client.told(r"knows this client as (\S+)") == url
        client.says("the note today of alice")


def test_a_token_for_another_resource_is_refused(readme: Readme) -> None:
    token = readme.token()
    here = f"http://localhost:{readme.ports[9000]}/mcp"
    assert httpx2.post(here, headers={"authorization": f"Bearer {token}"}, json={}).status_code == 401
