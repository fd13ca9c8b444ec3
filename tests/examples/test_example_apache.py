"""examples/apache: the page followed with Debian's Apache and mod_auth_openidc: people sign in, tokens are verified."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from following import Readme, until, unused_port
from person import Person
from support import NATIVE, VERIFIER

from idp.jose import read_unverified

pytestmark = pytest.mark.apache
MODULE = Path("/usr/lib/apache2/modules/mod_auth_openidc.so")
START = "SITE=$PWD/examples/apache /usr/sbin/apache2"


@pytest.fixture(scope="module")
def readme() -> Iterator[Readme]:
    if not shutil.which("apache2", path="/usr/sbin") or not MODULE.exists():
        pytest.skip("no Apache: apt-get install apache2 libapache2-mod-auth-openidc")
    with tempfile.TemporaryDirectory() as folder:
        # Started by root, Apache serves as somebody else, who has to be let in here; pytest's own folders are closed.
        os.chmod(folder, 0o755)
        page = Readme("apache", Path(folder), {8000: unused_port(), 8080: unused_port()})
        page.run("openssl rand")
        page.run("(umask 077")
        page.run("mkdir")
        assert (page.here / "secrets.conf").stat().st_mode & 0o777 == 0o600
        command = page.command(START)
        if os.geteuid() == 0:
            command += ' -c "User www-data" -c "Group www-data"'
        with page.dev(), page.also(command), page.started(command) as apache:
            until(lambda: apache.process.poll() is not None or is_up(page), apache.said)
            assert apache.process.poll() is None, apache.said()
            yield page


def is_up(readme: Readme) -> bool:
    try:
        return httpx2.get(f"http://localhost:{readme.ports[8080]}/").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture
def site(readme: Readme) -> str:
    return f"http://localhost:{readme.ports[8080]}"


def test_people_sign_in_and_out(readme: Readme, site: str) -> None:
    with Person() as alice:
        assert 'id="nobody"' in alice.http.get(f"{site}/").text
        page = alice.visit(f"{site}/private/")
        assert str(page.url) == f"{site}/private/", page.text
        assert '<b id="user">Alice Archer</b>' in page.text
        assert '<code id="sub">alice</code>' in page.text

        page = alice.http.get(f"{site}/private/callback", params={"logout": f"{site}/"})
        assert str(page.url) == f"{site}/"
        assert 'id="login"' in alice.http.get(f"{site}/private/").text, "signed out at the provider too"


def test_a_claim_in_a_header_is_not_believed(site: str) -> None:
    with Person("bob") as bob:
        bob.visit(f"{site}/private/")
        page = bob.http.get(f"{site}/private/", headers={"OIDC_CLAIM_name": "Mallory", "OIDC-CLAIM-name": "Mallory"})
        assert '<b id="user">Bob Baker</b>' in page.text


def test_the_api_as_printed(readme: Readme) -> None:
    said = [readme.run(command).stdout for command in readme.commands if command.startswith("curl -i")]
    assert said[0].split()[1] == "401"
    assert said[1].split()[1] == "200"
    assert "reports of alice" in said[1]
    assert said[2].split()[1] in ("401", "403")


def test_tokens_that_are_not_for_it(readme: Readme, site: str) -> None:
    api = f"{site}/api"
    good = readme.token(client="reader", resource=api)
    head, payload, signature = good.split(".")
    for token, accepted in [
        (good, True),
        (readme.token(client="reader", resource=api, scope="openid"), False),
        (readme.token(client="sample"), False),
        (token_for_another(readme), False),
        (id_token(readme), False),
        (f"{head}.{payload}.{signature[:-4]}AAAA", False),
        (f"{head}.{payload[:-4]}AAAA.{signature}", False),
        ("eyJhbGciOiJub25lIn0.e30.", False),
        ("nonsense", False),
    ]:
        answer = httpx2.get(f"{api}/reports.html", headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code == 200) is accepted, (token, answer.text)
        assert accepted or answer.status_code in (401, 403)
        assert accepted or "reports of" not in answer.text


def token_for_another(readme: Readme) -> str:
    """With all the API asks for but its name: another resource has a scope of the same word."""
    other = f"http://localhost:{readme.ports[8080]}/other"
    (readme.here / "other.toml").write_text(
        f'[[resources]]\nuri = "{other}"\nscopes = ["reports:read"]\n\n'
        '[[clients]]\nclient_id = "other"\napplication_type = "native"\ntoken_endpoint_auth_method = "none"\n'
        f'redirect_uris = ["http://127.0.0.1/cb"]\nscope = "reports:read"\nresources = ["{other}"]\n'
    )
    with readme.also("idp apply examples/apache/other.toml") as command:
        readme.idp(command)
    return readme.token(client="other", resource=other)


def id_token(readme: Readme) -> str:
    """One of the same issuer for the same person, by the same keys. Apache's port stands for the program's."""
    issuer, back = f"http://localhost:{readme.ports[8000]}", f"http://127.0.0.1:{readme.ports[8080]}/callback"
    asked = replace(NATIVE, client_id="reader", redirect_uri=back).request(scope="openid reports:read")
    with Person() as alice:
        code = alice.visit(f"{issuer}/authorize?{urlencode(asked)}").url.params["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "client_id": "reader"}
    answer = httpx2.post(f"{issuer}/token", data={**form, "code_verifier": VERIFIER})
    return str(answer.json()["id_token"])


def test_a_rotation_is_not_noticed(readme: Readme, site: str) -> None:
    """The page says so: a token by a key the module never saw makes it fetch the set again."""
    before = key_of(readme.token(client="reader", resource=f"{site}/api"))
    with readme.also("idp keys rotate --emergency --fresh") as command:
        readme.idp(command)
    token = readme.token(client="reader", resource=f"{site}/api")
    assert key_of(token) != before
    answer = httpx2.get(f"{site}/api/reports.html", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text


def key_of(token: str) -> str:
    return str(read_unverified(token).header["kid"])
