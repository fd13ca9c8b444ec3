"""``idp backup``: one moment of the whole database in a sealed file, while the server goes on.

SQLite is read in a thread of the server, which alone opens the file (decision 5); PostgreSQL by the command itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import idp
from idp.control.backup_file import Header, write
from idp.server import Server
from idp.store.backups import made
from idp.store.copying import dump
from idp.store.migrate import HEAD


async def backup(server: Server, file: str) -> dict[str, Any]:
    """Write the backup to ``file``, an absolute path. Everything answered before the call is in it."""
    path, now = Path(file), server.now()
    counts, size = await write_to(server, path, now)
    rows = sum(counts.values())
    await server.database.write(made, server.journal, now, rows=rows, size=size)
    return {"file": file, "rows": rows, "size": size, "kek": server.keyring.kek.key_id}


async def write_to(server: Server, path: Path, now: float) -> tuple[dict[str, int], int]:
    """The file alone, without a word of it in the database; the numbers of rows by table, and of bytes."""
    header = Header(server.issuer, HEAD, now, idp.__version__)
    kek, randomness = server.keyring.kek, server.randomness

    def fill(connection: Any) -> tuple[dict[str, int], int]:
        counts = write(path, header, kek, randomness, lambda put: dump(connection, put))
        return counts, path.stat().st_size

    return await server.database.snapshot(fill)
