"""Front-channel logout (OpenID Connect Front-Channel Logout 1.0): an address of the client's, loaded in a frame."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

from idp.protocol.client import Client
from idp.protocol.registration_parts import Flaw, flaw
from idp.protocol.uris import origin_of


def frame_uri(address: str, issuer: str, sid: str) -> str:
    """Section 3: ``iss`` and ``sid`` always, so that nobody else's page can sign a person out of the client."""
    joiner = "&" if urlsplit(address).query else "?"
    return f"{address}{joiner}{urlencode({'iss': issuer, 'sid': sid})}"


def frontchannel_flaws(client: Client) -> Iterator[Flaw]:
    """Section 2: scheme, host and port are those of a redirect URI of this client."""
    address = client.frontchannel_logout_uri
    if address is None:
        if client.frontchannel_logout_session_required:
            yield flaw(
                "frontchannel_logout_session_required",
                "a session to be told of needs an address to tell it to",
                "no frontchannel_logout_uri",
                "a frontchannel_logout_uri",
                "add it, or take this line out",
            )
        return
    origins = [origin for origin in map(origin_of, client.redirect_uris) if origin]
    if origin_of(address) not in origins:
        yield flaw(
            "frontchannel_logout_uri",
            "the frame stands at an origin of the client's redirect URIs (Front-Channel Logout 1.0 section 2)",
            address,
            " or ".join(f"{origin}/..." for origin in dict.fromkeys(origins)) or "a redirect URI first",
            "use an address of the app itself",
        )
