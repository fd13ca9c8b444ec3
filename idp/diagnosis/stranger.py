"""A stranger's keys on this machine: where ``jku`` and ``x5u`` of a bad token lead, and who came to fetch them."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from idp.jose import LocalSigner, generate_private_key

_KID = "probe-stranger"


@dataclass(slots=True)
class Stranger:
    """``fetched`` fills with the paths that were asked for: an API that comes here lets tokens choose its requests."""

    signer: LocalSigner
    certificate: bytes  # DER
    address: str = ""
    fetched: list[str] = field(default_factory=list)

    @property
    def keys_at(self) -> str:
        return f"{self.address}/jwks.json"

    @property
    def certificate_at(self) -> str:
        return f"{self.address}/certificate.pem"

    @property
    def certificate_text(self) -> str:
        return b64encode(self.certificate).decode()


def make_stranger(now: float) -> Stranger:
    """A key that nobody trusts, with a certificate that it signed itself, good for a day. ``now`` in Unix seconds."""
    key = generate_private_key("ES256")
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError("ES256 takes a key on a curve")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _KID)])
    at = datetime.fromtimestamp(now, UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.not_valid_before(at - timedelta(hours=1)).not_valid_after(at + timedelta(days=1))
    made = dated.serial_number(x509.random_serial_number()).sign(key, hashes.SHA256())
    return Stranger(LocalSigner(key, _KID, "ES256"), made.public_bytes(Encoding.DER))


@asynccontextmanager
async def at_home(stranger: Stranger) -> AsyncIterator[None]:
    """Serve the key and the certificate on a free loopback port while the block runs."""
    pages = {
        "/jwks.json": json.dumps({"keys": [dict(stranger.signer.jwk())]}).encode(),
        "/certificate.pem": x509.load_der_x509_certificate(stranger.certificate).public_bytes(Encoding.PEM),
    }

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                asked = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)
                path = asked[1].decode("latin-1") if len(asked) == 3 else ""
                stranger.fetched.append(path)
                body = pages.get(path, b"")
                status = b"200 OK" if body else b"404 Not Found"
                head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body))
                writer.write(head + body)
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            return  # a caller that asked for nothing
        finally:
            writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    stranger.address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield
    finally:
        listener.close()
