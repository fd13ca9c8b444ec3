"""People of somebody else's table are asked about before anything is spent: an answer that fails costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from idp.server import Server

P = ParamSpec("P")


async def follow(
    server: Server, whose: Callable[Concatenate[Any, P], str | None], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Let the row of the person follow whose grant ``whose`` finds. Raises Busy."""
    people = server.hooks.people
    if people is None:
        return
    account_id = await server.database.read(whose, *args, **kwargs)
    if account_id is not None:
        await people.changed(server, account_id)
