"""Runs one ``idp`` command a line, in a fork of its own that is killed before its N-th change of the database.

A line is ``N word word ...``; N 0 lets it live. The answer is a line: ``killed`` or the exit status. The programs are
imported once, so that a death costs a few milliseconds.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from typing import Any

import alembic.command
import alembic.config
import asyncpg
from sqlalchemy import Engine, Pool, event

import idp.app
import idp.control.calling
from idp.cli import group

LOADED = (alembic.command, alembic.config, asyncpg, idp.app, idp.control.calling)
CHANGES = ("CREATE", "ALTER", "INSERT", "UPDATE", "DELETE", "DROP", "COMMIT")


def die_at(number: int) -> None:
    seen = 0

    def count(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def look(statement: str) -> None:
        if statement.lstrip().upper().startswith(CHANGES):
            count()

    def connected(raw: Any, _: Any) -> None:
        # SQLite tells of every statement, its COMMIT too, which goes past SQLAlchemy.
        if isinstance(raw, sqlite3.Connection):
            raw.set_trace_callback(look)

    def executes(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if connection.dialect.name != "sqlite":
            look(statement)

    if number:
        event.listen(Pool, "connect", connected)
        event.listen(Engine, "before_cursor_execute", executes)
        event.listen(Engine, "commit", count)


def main() -> None:
    for line in sys.stdin:
        number, *words = line.split()
        child = os.fork()
        if child == 0:
            os.dup2(2, 1)
            die_at(int(number))
            os._exit(group.run(words))
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), flush=True)


if __name__ == "__main__":
    main()
