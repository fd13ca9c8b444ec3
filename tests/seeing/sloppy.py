"""An API that makes one mistake, named by its path: ``/alg-none`` takes tokens without a signature."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
import urllib.request
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from idp.jose import read_unverified
from idp.verify import Refused, Verifier

Headers = list[tuple[str, str]]


@dataclass
class Sloppy:
    """``keys`` maps kid to public JWK, as the API holds them; ``strict`` is a verifier of ours."""

    issuer: str
    keys: dict[str, Mapping[str, Any]]
    strict: Verifier
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def key(self, kid: str) -> Any:
        return jwt.PyJWK(dict(self.keys[kid]))

    def decoded(self, token: str, *skipped: str, key: Any = None, algorithms: tuple[str, ...] = ("RS256",)) -> None:
        """Everything right by hand, as people do it, but for what is ``skipped``."""
        header = jwt.get_unverified_header(token)
        if "typ" not in skipped and header.get("typ") != "at+jwt":
            raise ValueError
        claims = jwt.decode(
            token,
            key or self.key(header["kid"]),
            algorithms=list(algorithms),
            audience=self.issuer,
            issuer=self.issuer,
            options={
                "require": [name for name in ("exp", "aud", "iss") if name not in skipped],
                **{f"verify_{name}": False for name in skipped if name in ("aud", "iss", "exp", "nbf")},
            },
        )
        if "cnf" in claims and "cnf" not in skipped:
            raise ValueError


def alg_none(api: Sloppy, token: str) -> None:
    if jwt.get_unverified_header(token)["alg"].lower() != "none":
        api.decoded(token)


def hs256_public(api: Sloppy, token: str) -> None:
    """The library of old that took whatever key it was given for whatever algorithm the token named."""
    header = jwt.get_unverified_header(token)
    if header["alg"] != "HS256":
        api.decoded(token)
        return
    native = api.key(header["kid"]).key
    _hmac(token, native.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def bad_signature(api: Sloppy, token: str) -> None:
    """Reads, compares every claim, and takes that for verifying."""
    read, now = read_unverified(token), time.time()
    claims = read.claims
    known = read.header["alg"] == "RS256" and read.header["typ"] == "at+jwt" and read.header["kid"] in api.keys
    meant = claims["iss"] == claims["aud"] == api.issuer and "cnf" not in claims
    if not known or not meant or not claims.get("nbf", 0) <= now < claims["exp"]:
        raise ValueError


def truncated(api: Sloppy, token: str) -> None:
    if token.split(".")[2:] not in ([], [""]):
        api.decoded(token)


def unknown_kid(api: Sloppy, token: str) -> None:
    """No key, so nothing to verify."""
    if jwt.get_unverified_header(token).get("kid") in api.keys:
        api.decoded(token)


def jwk_header(api: Sloppy, token: str) -> None:
    header = jwt.get_unverified_header(token)
    key = jwt.PyJWK(header["jwk"]) if "jwk" in header else None
    api.decoded(token, key=key, algorithms=("RS256", "ES256"))


def jku_header(api: Sloppy, token: str) -> None:
    header = jwt.get_unverified_header(token)
    key = None
    if "jku" in header:
        with urllib.request.urlopen(header["jku"], timeout=5) as answer:
            key = jwt.PyJWKSet.from_json(answer.read().decode()).keys[0]
    api.decoded(token, key=key, algorithms=("RS256", "ES256"))


def only_fetches(api: Sloppy, token: str) -> None:
    """Refuses in the end, and has called the address the token named."""
    header = jwt.get_unverified_header(token)
    if "jku" in header:
        urllib.request.urlopen(header["jku"], timeout=5).close()
    api.decoded(token)


def x5u_header(api: Sloppy, token: str) -> None:
    header = jwt.get_unverified_header(token)
    key = None
    if "x5c" in header:
        key = x509.load_der_x509_certificate(b64decode(header["x5c"][0])).public_key()
    elif "x5u" in header:
        with urllib.request.urlopen(header["x5u"], timeout=5) as answer:
            key = x509.load_pem_x509_certificate(answer.read()).public_key()
    api.decoded(token, key=key, algorithms=("RS256", "ES256"))


def kid_path(api: Sloppy, token: str) -> None:
    """One file for each key, of whatever kind."""
    header = jwt.get_unverified_header(token)
    if header["alg"] != "HS256":
        api.decoded(token)
        return
    _hmac(token, (Path("/keys/of/mine") / header["kid"]).resolve().read_bytes())


def crash(api: Sloppy, token: str) -> None:
    """Expects what it knows and answers 500 to the rest."""
    if jwt.get_unverified_header(token)["alg"] == "HS256":
        raise ZeroDivisionError
    api.decoded(token)


def _hmac(token: str, secret: bytes) -> None:
    message, _, signature = token.rpartition(".")
    sent = urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    if not hmac.compare_digest(hmac.digest(secret, message.encode(), hashlib.sha256), sent):
        raise ValueError


MISTAKES: dict[str, Callable[[Sloppy, str], None]] = {
    "alg-none": alg_none,
    "hs256-public": hs256_public,
    "bad-signature": bad_signature,
    "changed-payload": bad_signature,
    "stripped-cnf": bad_signature,
    "truncated": truncated,
    "unknown-kid": unknown_kid,
    "jwk-header": jwk_header,
    "jku-header": jku_header,
    "x5u-header": x5u_header,
    "kid-path": kid_path,
    "wrong-audience": lambda api, token: api.decoded(token, "aud"),
    "wrong-issuer": lambda api, token: api.decoded(token, "iss"),
    "wrong-type": lambda api, token: api.decoded(token, "typ"),
    "id-token": lambda api, token: api.decoded(token, "typ", "aud"),
    "expired": lambda api, token: api.decoded(token, "exp"),
    "not-yet-valid": lambda api, token: api.decoded(token, "nbf"),
    "bound-as-bearer": lambda api, token: api.decoded(token, "cnf"),
    # These do nothing wrong with a token, but with the request.
    "two-headers": lambda api, token: api.decoded(token),
    "query-token": lambda api, token: api.decoded(token),
    "only-fetches": only_fetches,
    "crash": crash,
}


def status_of(api: Sloppy, mistake: str, query: str, headers: Headers) -> int:
    if mistake == "open":
        return 200
    if mistake == "busy":
        return 429
    if mistake == "strict":
        try:
            api.strict.verify_request_sync("GET", f"{api.url}/strict", headers)
        except Refused as refused:
            return refused.status
        return 200
    found = [value.removeprefix("Bearer ") for name, value in headers if name.lower() == "authorization"]
    if mistake == "query-token":
        found = found or parse_qs(query).get("access_token", [])[:1]
    if not found or (len(found) > 1 and mistake != "two-headers"):
        return 401
    try:
        MISTAKES[mistake](api, found[0])
    except ZeroDivisionError:
        return 500
    except Exception:
        return 401
    return 200


@contextmanager
def sloppy_api(api: Sloppy) -> Iterator[Sloppy]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self.send_response(status_of(api, parts.path.strip("/"), parts.query, self.headers.items()))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    api.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
