"""Operations on signing keys."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from idp.server import Server


async def listing(server: Server) -> dict[str, Any]:
    """Every key's life, and the server's time to read it by."""
    return {"keys": [dataclasses.asdict(life) for life in server.keyring.timeline()], "now": server.now()}


async def rotate(server: Server, emergency: bool = False, fresh: bool = False, new_kek: bool = False) -> dict[str, Any]:
    report = await server.keyring.rotate(emergency=emergency, fresh=fresh, new_kek=new_kek)
    return {**dataclasses.asdict(report), "done": report.done, "lines": list(report.lines())}


async def revoke(server: Server, kid: str) -> dict[str, Any]:
    report = await server.keyring.revoke(kid)
    return {**dataclasses.asdict(report), "lines": list(report.lines())}


async def rewrap(server: Server) -> dict[str, Any]:
    """Seal everything under the first key-encryption key this process was started with."""
    report = await server.keyring.rewrap()
    return {**dataclasses.asdict(report), "lines": list(report.lines())}


async def jwks(server: Server) -> dict[str, Any]:
    return {"jwks": json.loads(server.keyring.jwks)}
