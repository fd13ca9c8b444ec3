"""TLS without a proxy: what is spoken, what every answer carries, and a renewed certificate without a restart."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.certificates import certificate, trusting
from support.serving import serving
from topology_nodes import ISSUER, Installation, Node, running, until
from topology_sockets import wire

from idp.serving import server_config

YEAR = "max-age=31536000"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    found = Installation.make(tmp_path)
    certificate(tmp_path)
    return found


@pytest.fixture
def node(installation: Installation, free_port: Callable[[], int]) -> Iterator[Node]:
    found = Node(installation, free_port(), ("--tls-cert", "fullchain.pem", "--tls-key", "privkey.pem"))
    with running(found, scheme="https"):
        yield found


@pytest.fixture
def tls(installation: Installation) -> ssl.SSLContext:
    return trusting(installation.folder / "fullchain.pem")


def test_tls_1_2_and_later(node: Node, tls: ssl.SSLContext) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        tls.minimum_version = tls.maximum_version = version
        with wire(node.port, tls) as spoken:
            assert spoken.ask("/healthz").status == 200
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)), wire(node.port, old) as spoken:
        spoken.ask("/healthz")


@pytest.mark.parametrize("suites", ["ECDHE+AES:!AESGCM", "ECDHE+CHACHA20", "DHE", "kRSA"])
def test_tls_1_2_has_no_suite_that_is_not_recommended(node: Node, tls: ssl.SSLContext, suites: str) -> None:
    """RFC 9325 4.2. The certificate is of an elliptic curve, so kRSA and DHE could not be had with it anyway."""
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with wire(node.port, tls) as spoken:
        assert spoken.ask("/healthz").status == 200
    tls.set_ciphers(suites)
    with pytest.raises((ssl.SSLError, ConnectionError)), wire(node.port, tls) as spoken:
        spoken.ask("/healthz")


def test_every_answer_says_that_it_is_https_only(node: Node, tls: ssl.SSLContext) -> None:
    document = "/.well-known/openid-configuration"
    with wire(node.port, tls) as spoken:
        tag = spoken.ask(document).headers["etag"]
        answers = [
            spoken.ask(document),
            spoken.ask(document, "HEAD"),
            spoken.ask(document, "OPTIONS"),
            spoken.ask(document, if_none_match=tag),
            spoken.ask(document, "DELETE"),
            *map(spoken.ask, ("/.well-known/jwks.json", "/healthz", "/logged-out", "/nowhere", "/static/")),
            spoken.ask("/token", "POST", content_length="0"),
            spoken.ask("/authorize", accept="text/html"),
        ]
    for broken in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000):
        with wire(node.port, tls) as spoken:
            spoken.send(broken)
            answers.append(spoken.hear())
    assert {answer.status for answer in answers} >= {200, 204, 304, 400, 404, 405, 431}
    for answer in answers:
        assert answer.headers.get_all("strict-transport-security") == [YEAR], answer.status


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("issuer", "seconds", "found"),
    [
        (ISSUER, 31_536_000, [YEAR]),
        (ISSUER, 60, ["max-age=60"]),
        (ISSUER, 0, []),
        ("https://localhost:8443", 60, []),  # it would hold for every port of this machine
        ("http://localhost:8000", 60, []),
    ],
)
async def test_how_long_is_a_setting(tmp_path: Path, issuer: str, seconds: int, found: list[str]) -> None:
    async with serving(tmp_path, issuer=issuer, hsts_seconds=seconds) as (application, _):
        headers = server_config(application).headers
    assert [value for name, value in headers if name == "strict-transport-security"] == found


def test_a_renewed_certificate_needs_no_restart(node: Node, tls: ssl.SSLContext) -> None:
    folder = node.installation.folder
    with wire(node.port, tls) as before:
        assert before.ask("/healthz").status == 200
        first = before.certificate
        certificate(folder)
        with wire(node.port, tls) as still:
            assert still.certificate == first, "nothing is read before it is told"
        node.signal(signal.SIGHUP)
        until(lambda: served(node.port) != first)
        assert before.ask("/healthz").status == 200, "an open connection stays"
        second = served(node.port)
        certificate(folder)
        (folder / "privkey.pem").write_text("half a file")
        node.signal(signal.SIGHUP)
        until(lambda: "the certificate in use stays" in node.said())
        assert served(node.port) == second
        assert before.ask("/healthz").status == 200


def served(port: int) -> bytes:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with wire(port, anybody) as spoken:
        return spoken.certificate


@pytest.mark.postgres
def test_every_worker_takes_the_renewed_certificate_up(
    database: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    installation = Installation.make(tmp_path, database=f'"{database}"')
    certificate(tmp_path)
    options = ("--workers", "2", "--tls-cert", "fullchain.pem", "--tls-key", "privkey.pem")
    node = Node(installation, free_port(), options)
    with running(node, scheme="https"):
        until(lambda: node.said().count("idp serves") == 2, node.said)
        first = served(node.port)
        certificate(tmp_path)
        node.signal(signal.SIGHUP)
        until(lambda: all(served(node.port) != first for _ in range(20)))
        assert node.said().count("new connections get it") == 2

