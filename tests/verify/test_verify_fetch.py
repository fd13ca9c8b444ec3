"""The one door to the network, against a real server on loopback that misbehaves."""

import datetime
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from verify_loopback import always, response, serving

from idp.verify.fetch import MAX_BODY, FetchError, Response, get, target


def fetch(data: bytes, timeout: float = 5.0) -> Response:
    with serving(always(data)) as server:
        return get(f"http://127.0.0.1:{server.port}/jwks", {}, timeout=timeout)


def test_an_answer() -> None:
    with serving(always(response(200, b"hello", ETag='"1"', Cache_Control="max-age=5"))) as server:
        answer = get(f"http://keys.localhost:{server.port}/a?b=c", {"If-None-Match": '"0"'})
    assert (answer.status, answer.body) == (200, b"hello")
    assert (answer.headers["etag"], answer.headers["cache-control"]) == ('"1"', "max-age=5")
    head = server.heads[0].lower()
    assert head.startswith("get /a?b=c http/1.1\r\n")
    assert f"host: keys.localhost:{server.port}\r\n" in head
    assert head.count("\r\nhost:") == 1
    assert 'if-none-match: "0"\r\n' in head
    assert "accept-encoding: identity\r\n" in head


def test_chunks_and_answers_without_length() -> None:
    assert fetch(response(200, b"3\r\nabc\r\n0\r\n\r\n", transfer_encoding="chunked")).body == b"abc"
    assert fetch(b"HTTP/1.1 200 OK\r\n\r\nuntil the end").body == b"until the end"
    assert fetch(b"HTTP/1.1 304 Not Modified\r\n\r\n").status == 304


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with serving(always(response(200, b"inside"))) as inside:
        address = f"http://127.0.0.1:{inside.port}/"
        assert fetch(response(status, b"", Location=address)).status == status
        assert inside.heads == []


BIG = b"x" * (MAX_BODY + 1)
BROKEN = {
    "a body too large": response(200, BIG),
    "a body too large without length": b"HTTP/1.1 200 OK\r\n\r\n" + BIG,
    "a body too large in chunks": response(
        200, b"%x\r\n%s\r\n0\r\n\r\n" % (len(BIG), BIG), transfer_encoding="chunked"
    ),
    "a claim of terabytes": response(200, BIG, content_length="9" * 13),
    "an encoded body": response(200, b"\x1f\x8b", content_encoding="gzip"),
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "nothing": b"",
    "half a status line": b"HTTP/1.",
    "a hundred thousand headers": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000,
    "an endless header": b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000,
    "a broken chunk": response(200, b"zz\r\n", transfer_encoding="chunked"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_answers(data: bytes) -> None:
    with pytest.raises(FetchError):
        fetch(data)


def test_the_largest_body_allowed() -> None:
    assert len(fetch(response(200, BIG[1:])).body) == MAX_BODY


def test_a_silent_server() -> None:
    done = threading.Event()

    def wait(*_: object) -> None:
        done.wait(10)

    with serving(wait) as server:
        with pytest.raises(FetchError, match=r"did not answer within 0\.2 s"):
            get(f"http://127.0.0.1:{server.port}/", {}, timeout=0.2)
        done.set()


def test_a_server_that_sends_byte_after_byte_is_cut_off() -> None:
    """Each byte comes in time, all together would take hours; the clock moves a second with each read."""
    send, now = threading.Semaphore(0), [0.0]

    def monotonic() -> float:
        now[0] += 1
        send.release()
        return now[0]

    def drip(connection: socket.socket, _: str) -> None:
        while send.acquire(timeout=10):
            connection.sendall(b"x")

    with serving(drip) as server, pytest.raises(FetchError, match="did not answer within 60 s"):
        get(f"http://127.0.0.1:{server.port}/", {}, timeout=60, monotonic=monotonic)
    assert now[0] < 100


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(FetchError, match="refused"):
            get(f"http://localhost:{unused.getsockname()[1]}/", {})


ADDRESSES = [
    "http://id.example.com/jwks",
    "http://10.0.0.1/jwks",
    "http://169.254.169.254/latest",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://localhost.example.com/",
    "http://notlocalhost/",
    "ftp://localhost/",
    "file:///etc/passwd",
    "//id.example.com/",
    "id.example.com",
    "",
    "https://",
    "https://user:password@id.example.com/",
    "https://id.example.com:99999/",
    "https://id.example.com:http/",
    "https://id.example.com/ jwks",
    "https://id.example.com/\r\nHost: evil",
    "https://id.example.com/\x00",
    "https://ïd.example.com/",
    "https://[::1/",
    "https://id.example.com/" + "a" * 3000,
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_addresses_that_are_not_fetched(url: str) -> None:
    with pytest.raises(FetchError):
        target(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example.com",
        "http://localhost",
        "http://a.b.localhost:8/",
        "http://127.0.0.9",
        "http://[::1]:8/x",
    ],
)
def test_addresses_that_are_fetched(url: str) -> None:
    assert target(url).url == url


def test_loopback_names_never_ask_a_resolver() -> None:
    assert target("http://app-a.localhost:1/").addresses == ("127.0.0.1", "::1")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "id.localhost")])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("id.localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, private


def test_https_checks_certificate_and_name(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with serving(always(response(200, b"secure")), context) as server:
        with pytest.raises(FetchError, match="certificate verify failed"):
            get(f"https://id.localhost:{server.port}/", {})
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert get(f"https://id.localhost:{server.port}/", {}).body == b"secure"
        with pytest.raises(FetchError, match="certificate verify failed"):
            get(f"https://other.localhost:{server.port}/", {})
        assert len(server.heads) == 1
