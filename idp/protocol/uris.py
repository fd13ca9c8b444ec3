"""The one place that compares redirect URIs, and what a URI is to us (RFC 9700 2.1, RFC 8252 7.3)."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(?::[0-9]{1,5})?(?P<rest>/[^\s]*)?", re.ASCII)


def redirect_uri_matches(registered: str, sent: str, *, localhost: bool = False) -> bool:
    """Equal strings; only the port of a loopback *address* may differ, because native apps get a random one.

    ``localhost`` counts the name as such an address: what apps write whose documents nobody here can have corrected.
    """
    if registered == sent:
        return True
    ours, theirs = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(sent)  # `$` would let a newline through
    if ours is None or theirs is None or not _port_is_valid(sent):
        return False
    if ours[1] == "localhost" and not localhost:
        return False
    return ours.group(1, "rest") == theirs.group(1, "rest")


def _port_is_valid(uri: str) -> bool:
    try:
        urlsplit(uri).port  # noqa: B018 - the property raises on a port past 65535
    except ValueError:
        return False
    return True


def origin_of(uri: str) -> str | None:
    """``scheme://host[:port]`` as a browser writes it in ``Origin``, or None for a private-use scheme."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.netloc}".lower()


def first_difference(registered: str, sent: str) -> int:
    """Index of the first character in which the two differ: what an error page marks."""
    for index, (left, right) in enumerate(zip(registered, sent, strict=False)):
        if left != right:
            return index
    return min(len(registered), len(sent))
