"""User names of people who make an account: what they wish to be called, and digits of ours behind it.

A name that is simply refused where somebody has it tells strangers who has an account here. With digits that nobody
chose every wish is met, and answered alike (docs/sign-up.md).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from idp.server import Server
from idp.store.accounts import find_by_username

MOST: Final = 40
# Letters of any script, digits, and what stands between them; a name that is easily typed again.
_WISH = re.compile(r"[^\W_]+(?:[ ._-][^\W_]+)*")
_TRIES = 4


def wish_of(text: str) -> str | None:
    """What was typed as a wish for a name: composed (NFC), lower case, words joined by a hyphen; None if unfit."""
    name = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).strip().casefold())
    return re.sub(r"[ ._-]", "-", name) if len(name) <= MOST and _WISH.fullmatch(name) else None


async def propose(server: Server, wish: str) -> str:
    """A free user name that begins with ``wish``: four digits behind it, more where those are nearly used up."""
    for digits in range(4, 4 + _TRIES):
        low = 10 ** (digits - 1)
        for _ in range(_TRIES):
            name = f"{wish}-{low + int.from_bytes(server.randomness(8)) % (9 * low)}"
            if await server.database.read(find_by_username, name) is None:
                return name
    raise RuntimeError("no free name among 90 million: the randomness is broken")
