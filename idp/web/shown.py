"""What a page may show of a value that came from outside: addresses, destinations, differences.

Escaping is the templates' work; these values are harmless as text and misleading as a link or a name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

_LONGEST = 4096
_AROUND = 160
_LOOPBACK = re.compile(r"(?:[a-z0-9-]+\.)*localhost|127\.0\.0\.1", re.ASCII)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp|gif|svg\+xml);base64,[A-Za-z0-9+/=]+", re.ASCII)


def _split(uri: str | None) -> SplitResult | None:
    if not uri or "\\" in uri or not uri.isprintable() or " " in uri:
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    # A user name before the host is there to be mistaken for the host.
    return None if "@" in parts.netloc else parts


def web_uri(uri: str | None) -> str:
    """The address where it may be a link: https, or http on loopback; else an empty string."""
    parts = _split(uri)
    if not uri or not parts or not parts.hostname:
        return ""
    local = parts.scheme == "http" and _LOOPBACK.fullmatch(parts.hostname)
    return uri if local or parts.scheme == "https" else ""


def image_uri(uri: str | None) -> str:
    """The address where it may be a picture: as ``web_uri``, or an image inside a data URL."""
    if uri and _PICTURE.fullmatch(uri):
        return uri
    return web_uri(uri)


class Destination(NamedTuple):
    """Where an answer goes: a ``site``, this ``device``, or an ``app`` known by its scheme."""

    kind: str
    name: str


def destination(redirect_uri: str) -> Destination:
    """Where a browser will be sent, in a form that cannot pose as another host (always ASCII)."""
    parts = _split(redirect_uri)
    if parts is None or not parts.scheme:
        return Destination("site", ascii(redirect_uri[:_AROUND])[1:-1])
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https"):
        return Destination("app", ascii(parts.scheme)[1:-1])
    if host in ("localhost", "127.0.0.1", "::1"):
        return Destination("device", host)
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        name = ascii(host)[1:-1]
    return Destination("site", f"{name}:{parts.port}" if parts.port else name)


class Difference(NamedTuple):
    """Both values, split where they part. ``position`` counts from 1; 0 where they are not alike."""

    position: int
    before: str
    received: str
    expected: str
    after: str
    code_points: str


def compare(received: str, expected: str | Sequence[str]) -> Difference:
    """Compare what came with the nearest of what was expected."""
    received = received[:_LONGEST]
    several = [expected] if isinstance(expected, str) else list(expected) or [""]
    cut = (value[:_LONGEST] for value in several[:64])
    nearest = max(cut, key=lambda value: sum(_common(received, value)))
    head, tail = _common(received, nearest)
    if received == nearest or (head + tail) * 2 < min(len(received), len(nearest)) or not head + tail:
        return Difference(0, "", _visible(received), _visible(nearest), "", "")
    mine, theirs = received[head : len(received) - tail], nearest[head : len(nearest) - tail]
    before, after = received[:head], received[len(received) - tail :]
    foreign = " ".join(f"U+{ord(character):04X}" for character in mine[:8] if not character.isascii())
    if len(before) > _AROUND:
        before = "…" + before[-_AROUND:]
    return Difference(head + 1, _visible(before), _visible(mine), _visible(theirs), _visible(after), foreign)


def _common(one: str, other: str) -> tuple[int, int]:
    head = _alike(one, other)
    return head, _alike(one[head:][::-1], other[head:][::-1])


def _alike(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def _visible(text: str) -> str:
    if len(text) > 2 * _AROUND:
        text = text[: 2 * _AROUND] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
