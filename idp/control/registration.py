"""Operations on initial access tokens: who holds one may register apps over HTTP (RFC 7591 3)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from idp.control.errors import ControlError
from idp.server import Server
from idp.store import initial_tokens
from idp.store.initial_tokens import InitialToken

MOST_USES = 1_000_000
LONGEST = 315_360_000  # seconds, ten years
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


async def add_token(server: Server, uses: int, lifetime: int, name: str | None = None) -> dict[str, Any]:
    """A token for so many registrations within ``lifetime`` seconds, shown this once."""
    _refuse_bad(uses, lifetime, name)
    now = server.now()
    token, found = f"ia.{server.random_id(32)}", InitialToken(name or server.random_id(6), uses, now, now + lifetime)
    token_hash = hashlib.sha256(token.encode()).digest()
    if not await server.database.write(initial_tokens.add_initial_token, server.journal, found, token_hash):
        raise ControlError(
            "each name once", received=found.name, expected="a free name", mend="idp registration token list"
        )
    return {"token": token, "mode": server.settings.registration.mode, **_shown(found)}


async def list_tokens(server: Server) -> dict[str, Any]:
    now = server.now()
    found = await server.database.read(initial_tokens.list_initial_tokens)
    return {"tokens": [_shown(token) for token in found if token.expires_at > now]}


async def remove_token(server: Server, name: str) -> dict[str, Any]:
    """It registers nobody any more; the apps it registered stay."""
    if not await server.database.write(initial_tokens.remove_initial_token, server.journal, name, server.now()):
        raise ControlError("the token exists", received=name, expected="a name", mend="idp registration token list")
    return {"name": name}


def _shown(token: InitialToken) -> dict[str, Any]:
    return {"name": token.name, "uses_left": token.uses_left, "expires_at": token.expires_at}


def _refuse_bad(uses: int, lifetime: int, name: str | None) -> None:
    for what, value, most in (("uses", uses, MOST_USES), ("lifetime", lifetime, LONGEST)):
        if not 1 <= value <= most:
            raise ControlError(
                f"{what} of an initial access token",
                received=str(value),
                expected=f"1 to {most}",
                mend="idp registration token add --help",
            )
    if name is not None and not _NAME.fullmatch(name):
        raise ControlError(
            "a name that can be typed",
            received=name,
            expected="1 to 64 letters, digits, dots, dashes or underscores",
            mend="choose another name",
        )
