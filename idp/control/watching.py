"""Operations that only look: the audit, the logout deliveries, the list before going live."""

from __future__ import annotations

from typing import Any

from idp.control.deployment import deploy_checks
from idp.server import Server
from idp.store import audit, logout


async def audit_tail(server: Server, limit: int = 20) -> dict[str, Any]:
    """The newest events, counts still in memory written first."""
    for event in ("tokens.issued", "login.failed", "requests.refused"):
        await server.write_kept(event)
    return {"events": await server.database.read(audit.tail, limit)}


async def logout_deliveries(server: Server, limit: int = 50) -> dict[str, Any]:
    return {"deliveries": list(await server.database.read(logout.deliveries, limit))}


async def deploy_check(server: Server) -> dict[str, Any]:
    return {"checks": [check.members() for check in await deploy_checks(server)]}


async def info(server: Server) -> dict[str, Any]:
    """Which provider this data folder is: a server may have been started with options the command does not repeat."""
    return {"issuer": server.issuer, "mode": server.settings.mode}
