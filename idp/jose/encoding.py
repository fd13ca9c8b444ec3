"""base64url without padding (RFC 7515 section 2), accepting exactly one spelling of each byte string."""

from base64 import b64decode, urlsafe_b64encode
from binascii import Error

from .errors import JoseError


def b64url(data: bytes) -> bytes:
    """The unpadded base64url text of ``data``."""
    return urlsafe_b64encode(data).rstrip(b"=")


def b64url_decode(text: bytes, what: str) -> bytes:
    """The bytes behind ``text``; ``what`` names the part in the refusal.

    Padding, the other alphabet, stray characters and loose trailing bits are refused: otherwise one signature
    has several spellings, and whoever remembers tokens by their text can be fooled.
    """
    try:
        data = b64decode(text + b"=" * (-len(text) % 4), b"-_", validate=True)
    except (Error, ValueError):
        data = None
    if data is None or b64url(data) != text:
        raise JoseError("malformed", f"the {what} is not base64url without padding")
    return data
