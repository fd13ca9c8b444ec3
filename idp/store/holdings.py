"""What live grants hold, counted in pages of the key: only ``apply --plan`` asks, and no page keeps others waiting."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from idp.store.schema import grants

PAGE = 1000


class Holding(NamedTuple):
    """``number`` live grants of one client with this scope and these resources."""

    client_id: str
    scope: str
    resources: str
    number: int


def holdings_page(connection: Connection, after: str, now: float) -> tuple[str | None, list[Holding]]:
    """The next page behind the grant ``after``: where the one after it begins (None at the end), and its holdings."""
    page = sa.select(grants).where(grants.c.id > after).order_by(grants.c.id).limit(PAGE).subquery()
    last = connection.execute(sa.select(sa.func.max(page.c.id))).scalar()
    if last is None:
        return None, []
    held = (page.c.client_id, page.c.scope, page.c.resources)
    live = (page.c.revoked_at.is_(None), page.c.expires_at > now)
    found = sa.select(*held, sa.func.count()).where(*live).group_by(*held)
    return str(last), [Holding(*row) for row in connection.execute(found)]
