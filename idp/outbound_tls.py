"""What a TLS server shows: version and certificate, over a connection to an address that was checked like any other."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

from idp.outbound import SECONDS, AddressGuard, OutboundError


@dataclass(frozen=True, slots=True)
class Handshake:
    """``version`` as ``TLSv1.3``, ``expires_at`` of the certificate in Unix seconds."""

    version: str
    expires_at: float


class NotTrusted(Exception):
    """The server is there, and a client that knows the usual authorities would not go on; ``str()`` says why."""


async def handshake(guard: AddressGuard, host: str, port: int, ca_file: Path | None = None) -> Handshake:
    """Raises NotTrusted, and OutboundError where nobody answers or the address may not be called."""
    context = ssl.create_default_context(cafile=ca_file)
    try:
        async with asyncio.timeout(SECONDS):
            address = await guard.resolve(host, port)
            _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise NotTrusted(error.verify_message) from error
    except ssl.SSLError as error:
        raise NotTrusted(error.reason or type(error).__name__) from error
    except (OSError, TimeoutError) as error:
        raise OutboundError(type(error).__name__) from error
    try:
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = found.getpeercert() or {}
        return Handshake(found.version() or "", float(ssl.cert_time_to_seconds(str(certificate["notAfter"]))))
    finally:
        writer.close()
