"""Passwords as another program keeps them."""

from __future__ import annotations

import base64
import hashlib


def django_hash(password: str, iterations: int = 1000) -> str:
    """``pbkdf2_sha256`` of Django."""
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt-of-the-app", iterations)
    return f"pbkdf2_sha256${iterations}$salt-of-the-app${base64.b64encode(key).decode()}"
