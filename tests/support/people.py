"""People of a test's own: whoever must not share consents or sessions with alice and bob."""

from __future__ import annotations

from idp.testing import Provider

PASSWORD = "correct horse"


async def add_person(provider: Provider, username: str, password: str = PASSWORD, **claims: object) -> str:
    """Create the person; answers their ``sub``."""
    answer = await provider.control("user.add", username=username, password=password, claims=claims)
    return str(answer["sub"])
