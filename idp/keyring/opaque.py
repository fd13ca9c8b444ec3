"""Access tokens that say nothing: ``at.`` and 32 random bytes, with the claims in the database."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from idp.store.database import Store
from idp.store.opaque_tokens import keep_token

_TOKEN = re.compile(r"at\.[A-Za-z0-9_-]{43}", re.ASCII)


def is_opaque(token: str) -> bool:
    return _TOKEN.fullmatch(token) is not None


def hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()


class OpaqueTokens:
    """``randomness`` gives that many unpredictable bytes."""

    def __init__(self, database: Store, randomness: Callable[[int], bytes]) -> None:
        self._database = database
        self._randomness = randomness

    async def keep(self, claims: Mapping[str, Any]) -> str:
        """A token that stands for ``claims``; its row is durable when this returns. Raises Unavailable.

        A write of its own behind the grant's: what is in the token is known only then. Should it fail, the answer is
        503: a refresh can be repeated within its grace, a code is spent and the person asked again.
        """
        token = f"at.{base64.urlsafe_b64encode(self._randomness(32)).rstrip(b'=').decode('ascii')}"
        await self._database.write(keep_token, hash_of(token), claims)
        return token
