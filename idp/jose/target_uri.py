"""One spelling for the many of an address, to compare two of them (RFC 3986 6.2.2, 6.2.3; RFC 9449 4.3)."""

import re
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile("[A-Za-z0-9._~-]", re.ASCII)
_ALLOWED = re.compile(r"[!-~]{1,2048}", re.ASCII)


def normal_uri(uri: str) -> str | None:
    """``uri`` with scheme and host in lower case, without usual port, dot segments, needless escapes, query, fragment.

    None for anything but an http or https address without a user name, of printable ASCII.
    """
    if not _ALLOWED.fullmatch(uri) or "\\" in uri:
        return None
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else _unescaped(parts.hostname).lower()
    authority = host if port in (None, _PORTS[scheme]) else f"{host}:{port}"
    return f"{scheme}://{authority}{_without_dots(_unescaped(parts.path)) or '/'}"


def _unescaped(text: str) -> str:
    """6.2.2.1 and 6.2.2.2: hexadecimal digits in capitals, unreserved characters as themselves."""

    def one(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if _UNRESERVED.fullmatch(character) else match[0].upper()

    return _ESCAPE.sub(one, text)


def _without_dots(path: str) -> str:
    """RFC 3986 5.2.4, for the absolute path of an address."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for place, segment in enumerate(segments):
        last = place == len(segments) - 1
        if segment == "..":
            kept = kept[:-1]
        if segment not in (".", ".."):
            kept.append(segment)
        elif last:
            kept.append("")  # what a dot segment ends is a folder
    return "".join(f"/{segment}" for segment in kept)
