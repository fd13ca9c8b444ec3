"""examples/nginx: the page followed with Debian's nginx, its files with other ports, names and paths alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from following import Readme, until, unused_port
from person import Person
from support.certificates import certificate, trusting

pytestmark = pytest.mark.nginx
ELSEWHERE = "127.0.1.7"  # another network (/24) than nginx's own address
_REAL = socket.getaddrinfo


@dataclass(frozen=True)
class Front:
    """nginx under way: where https and http of the names of the page are, and what to trust."""

    readme: Readme
    tls: ssl.SSLContext
    https: int
    http: int


@pytest.fixture(scope="module")
def program() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        pytest.skip("no nginx: apt-get install nginx-light")
    return found


@contextlib.contextmanager
def nginx(program: str, folder: Path, site: Path, changes: Mapping[str, str]) -> Iterator[None]:
    """The site's file inside the frame a package brings along."""
    text = site.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "site.conf").write_text(text)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "frame.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; {user}\nevents {{ worker_connections 64; }}\n"
        f"http {{ access_log off; {temporary} include {folder}/site.conf; }}\n"
    )
    log = folder / "nginx.log"
    process = subprocess.Popen([program, "-c", f"{folder}/frame.conf", "-e", str(log), "-p", str(folder)])
    port = int(changes["listen 443 ssl;"].split(":")[1].split()[0])
    try:
        until(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, program: str) -> Iterator[Front]:
    ports = {number: unused_port() for number in (8000, 9000, 9001)}
    readme = Readme("nginx", tmp_path_factory.mktemp("nginx"), ports)
    readme.idp("idp init")
    written = (readme.folder / "idp.toml").read_text()
    for name, value in (("trusted_proxies", '["127.0.0.1/32"]'), ("operator_mail", '"help@example.com"')):
        assert f"{name} = {value}\n" in (readme.here / "README.md").read_text()
        assert f"\n# {name} = " in written, "the page says: take the # away"
        head, _, rest = written.partition(f"\n# {name} = ")
        written = f"{head}\n{name} = {value}\n{rest.partition(chr(10))[2]}"
    (readme.folder / "idp.toml").write_text(written)
    readme.environ |= {"IDP_LISTEN_PORT": str(ports[8000]), "IDP_DRAIN_SECONDS": "0"}
    readme.idp("idp migrate")
    readme.idp("idp apply")
    (readme.folder / "password").write_text("a long walk at noon\n")
    assert "idp user add ada" in readme.commands
    with readme.also("idp user add ada --password-file password") as command:  # the page's asks at the terminal
        readme.idp(command)
    readme.idp("idp backup")
    assert "checks pass" in readme.idp("idp check --deploy")

    cert, _ = certificate(readme.here, "*.example.com")
    https, http = unused_port(), unused_port()
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
        "listen 80;": f"listen 127.0.0.1:{http};",
        "/etc/nginx/idp/": f"{readme.here}/",
    }
    with (
        readme.started("idp serve", "idp serves"),
        readme.started("python examples/nginx/api.py"),
        nginx(program, readme.folder, readme.here / "site.conf", changes),
    ):
        readme.up(9001)
        yield Front(readme, trusting(cert), https, http)


@pytest.fixture
def internet(front: Front, monkeypatch: pytest.MonkeyPatch) -> Front:
    """The page's names lead to this nginx."""
    _resolve(monkeypatch, {"example.com": {443: front.https, 80: front.http}})
    return front


def _resolve(monkeypatch: pytest.MonkeyPatch, names: Mapping[str, Mapping[int, int]]) -> None:
    def found(host: str, port: int, *rest: object, **named: object) -> object:
        for name, ports in names.items():
            if str(host).endswith(name):
                return _REAL("127.0.0.1", ports[port], *rest, **named)  # type: ignore[arg-type]
        return _REAL(host, port, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def get(front: Front, url: str, **headers: str) -> httpx2.Response:
    with httpx2.Client(verify=front.tls, trust_env=False, timeout=20) as http:
        return http.get(url, headers=headers)


def test_the_provider_under_its_name(internet: Front) -> None:
    answer = get(internet, "https://id.example.com/.well-known/openid-configuration")
    assert answer.json()["issuer"] == "https://id.example.com"
    assert answer.headers.get_list("strict-transport-security") == ["max-age=31536000"]

    answer = get(internet, "http://id.example.com/authorize?client_id=a%2Fb")
    assert (answer.status_code, answer.headers["location"]) == (
        301,
        "https://id.example.com/authorize?client_id=a%2Fb",
    )
    assert httpx2.post("http://id.example.com/token", data={}).status_code == 403


def test_people_sign_in_and_their_address_is_theirs(internet: Front) -> None:
    """Through nginx it is the caller's, whatever a header claims."""
    transport = httpx2.HTTPTransport(verify=internet.tls, local_address=ELSEWHERE)
    lie = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    with Person("ada", transport=transport, headers=lie) as ada:
        ada.password = "a long walk at noon"
        page = ada.visit("https://id.example.com/account")
        assert '<body id="account"' in page.text
    with internet.readme.also("idp audit tail") as command:
        told = internet.readme.idp(command)
    assert "127.0.1." in told
    assert "203.0.113" not in told
    log = "".join(file.read_text() for file in internet.readme.folder.glob("*.log"))
    assert "another name" not in log, "Host arrives as the issuer's"


@pytest.fixture
def verified(internet: Front) -> Iterator[Front]:
    readme = internet.readme
    with readme.started("python examples/nginx/verify.py", "verifies tokens"):
        readme.up(9000)
        yield internet


def test_tokens_are_verified_in_front(verified: Front) -> None:
    api = "https://api.example.com"
    answer = get(verified, f"{api}/", **{"X-User": "root"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'

    [printed] = [command for command in verified.readme.commands if "Authorization: Bearer" in command]
    words = printed.partition("$(idp token ada ")[2].partition(")")[0]
    with verified.readme.also(f"idp token ada {words}") as command:
        good = verified.readme.idp(command).splitlines()[0]
    answer = get(verified, f"{api}/notes?x=1", authorization=f"Bearer {good}", **{"X-User": "root"})
    assert answer.status_code == 200, answer.text
    assert answer.text.startswith("Hello, ")
    assert "root" not in answer.text

    narrow = verified.readme.token("ada", client="caller", resource=api, scope="openid")
    answer = get(verified, f"{api}/", authorization=f"Bearer {narrow}")
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    other = verified.readme.token("ada", client="caller")
    for bad in (other, f"{good[:-4]}AAAA", "nonsense", "two words"):
        answer = get(verified, f"{api}/", authorization=f"Bearer {bad}")
        assert answer.status_code == 401, bad
        assert "error=" in answer.headers["www-authenticate"]
    assert get(verified, f"{api}/_verify", authorization=f"Bearer {good}").status_code == 404, "nobody's from outside"


def test_with_nobody_to_verify_nothing_is_let_through(internet: Front) -> None:
    answer = get(internet, "https://api.example.com/", authorization="Bearer whatever")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_below_a_path(tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = Readme("nginx", tmp_path, {8000: unused_port()})
    cert, _ = certificate(readme.here, "www.localhost")
    port = unused_port()
    issuer = f"https://www.localhost:{port}/auth"
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/nginx/idp/": f"{readme.here}/",
        "www.example.com;": "www.localhost;",
    }
    with (
        readme.also(f"idp dev --issuer {issuer} --port {readme.ports[8000]}") as command,
        readme.started(command, f"idp dev  {issuer}", SSL_CERT_FILE=str(cert)),
        nginx(program, tmp_path, readme.here / "path.conf", changes),
    ):
        _resolve(monkeypatch, {"www.localhost": {port: port}})
        there = Front(readme, trusting(cert), port, 0)
        for place in (
            "/auth/.well-known/openid-configuration",
            "/.well-known/openid-configuration/auth",
            "/.well-known/oauth-authorization-server/auth",
        ):
            assert get(there, f"https://www.localhost:{port}{place}").json()["issuer"] == issuer, place
        resource = get(there, f"https://www.localhost:{port}/.well-known/oauth-protected-resource/auth").json()
        assert resource["resource"] == issuer
        assert get(there, f"https://www.localhost:{port}/").text == "the web site\n"
        with Person(verify=there.tls) as alice:
            assert '<body id="account"' in alice.visit(f"{issuer}/account").text
