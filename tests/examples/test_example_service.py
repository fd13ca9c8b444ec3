"""examples/service: the page followed, line by line, and what its refusals say."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import pytest
from following import ROOT, Readme, unused_port

from idp.jose import read_unverified


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readme]:
    page = Readme("service", tmp_path_factory.mktemp("service"), {8000: unused_port(), 8005: unused_port()})
    with page.dev(), page.started("python examples/service/api.py", "Reports at"):
        page.up(8005)
        page.run("python examples/service/service.py register")
        page.idp("idp apply")
        yield page


def test_the_page_as_printed(readme: Readme) -> None:
    entry = (readme.here / "registered.toml").read_text()
    assert "jwks" in entry
    assert "\nd = " not in entry, "the private half stays where it was made"
    assert (readme.here / "private-key.pem").stat().st_mode & 0o777 == 0o600
    said = readme.run("python examples/service/service.py").stdout
    assert said in (ROOT / "examples" / "service" / "README.md").read_text()
    assert said.count("201") == 2

    readme.run("python examples/service/service.py register")
    assert (readme.here / "registered.toml").read_text() == entry


def test_what_others_hear(readme: Readme) -> None:
    said = readme.run("curl -i -X POST localhost:8005/reports -d '{}'").stdout
    assert "401" in said.splitlines()[0]
    assert "\nwww-authenticate: Bearer" in said
    said = readme.run("curl -i -X POST localhost:8005/reports -d '{}' -H").stdout
    assert "401" in said.splitlines()[0]
    assert json.loads(said.splitlines()[-1])["error"] == "invalid_token"
    assert "aud" in said


def test_a_key_that_is_not_registered_gets_nothing(readme: Readme) -> None:
    kept = (readme.here / "private-key.pem").read_bytes()
    (readme.here / "private-key.pem").unlink()
    try:
        ran = readme.tried("python examples/service/service.py")
        assert ran.returncode != 0
        assert "invalid_client" in ran.stderr
    finally:
        (readme.here / "private-key.pem").write_bytes(kept)


def test_the_scope_is_asked_for(readme: Readme) -> None:
    """A token for this API without the scope is 403, and says which one is missing."""
    port = readme.ports[8005]
    manifest = readme.here / "plain.toml"
    manifest.write_text(
        '[[clients]]\nclient_id = "plain"\napplication_type = "native"\ntoken_endpoint_auth_method = "none"\n'
        f'redirect_uris = ["http://127.0.0.1/cb"]\nscope = "openid"\nresources = ["http://localhost:{port}"]\n'
    )
    with readme.also("idp apply examples/service/plain.toml") as command:
        readme.idp(command)
    token = readme.token(client="plain", resource=f"http://localhost:{port}")
    assert read_unverified(token).claims["aud"] == f"http://localhost:{port}"
    answer = httpx2.post(f"http://localhost:{port}/reports", json={}, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert 'scope="reports:write"' in answer.headers["www-authenticate"]
