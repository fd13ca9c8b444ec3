"""FT-13: a migration that is killed, doubled, or comes to the wrong database leaves the old schema or the new one."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from homes import Rows
from support.old_schema import old_database, rows_of

from idp.cli.group import run
from idp.store import migrate
from idp.store.database import Database

HERE = Path(__file__).parent
MAIN = "from idp.cli import main; main()"


@pytest.fixture
def installed(kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> Iterator[Any]:
    """An installation whose database is of schema 0001, with rows; answers a way to look at it."""
    monkeypatch.chdir(tmp_path)
    for name in ("IDP_SETTINGS", "IDP_ISSUER", "IDP_DATA_DIR", "IDP_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    assert run(["init", "--issuer", "https://id.example.com"]) == 0
    if kind == "sqlite":
        look: Any = Database(tmp_path / "data" / "idp.sqlite3")
        yield prepared(look)
        look.close()
        return
    from support.postgres import blank

    with blank(request.getfixturevalue("cluster")) as bridge:
        settings = tmp_path / "idp.toml"
        settings.write_text(re.sub(r"(?m)^# database = .*$", f'database = "{bridge.url}"', settings.read_text()))
        yield prepared(bridge)


def prepared(look: Any) -> Any:
    look.old = look.write_now(old_database)
    return look


def shape(connection: Any) -> Any:
    inspector = sa.inspect(connection)
    return {
        name: (
            sorted(column["name"] for column in inspector.get_columns(name)),
            sorted(str(index["name"]) for index in inspector.get_indexes(name)),
        )
        for name in inspector.get_table_names()
    }


def rows(look: Any) -> Rows:
    found: Rows = look.read_now(rows_of, look.old)
    return {name: values for name, values in found.items() if name != "alembic_version"}


def test_ft_13_killed_before_any_of_its_changes_it_has_changed_nothing(installed: Any) -> None:
    """A real kill -9 before each statement in turn, and before the commit; then it runs again, and is done."""
    before, data = installed.read_now(shape), rows(installed)
    driver = subprocess.Popen(
        [sys.executable, HERE / "dying.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert driver.stdin
    assert driver.stdout
    deaths = 0
    try:
        while True:
            driver.stdin.write(f"{deaths + 1} migrate\n")
            driver.stdin.flush()
            answer = driver.stdout.readline().strip()
            if answer != "killed":
                break
            deaths += 1
            assert installed.read_now(migrate.current) == "0001", deaths
            assert installed.read_now(shape) == before, deaths
            assert rows(installed) == data
            assert run(["serve"]) == 1, "and serve will not start on it"
    finally:
        driver.stdin.close()
        driver.wait(20)
    assert answer == "0", "the run without a death is the repair"
    assert deaths >= 8, "three tables, two columns, an index, the version, the commit"
    assert installed.read_now(migrate.current) == migrate.HEAD
    after = installed.read_now(shape)
    assert {"attempts", "marks", "redirect_uses"} <= after.keys()
    assert rows(installed) == data


def test_ft_13_two_at_once_make_one_schema(installed: Any, kind: str) -> None:
    data = rows(installed)
    if kind == "sqlite":
        outcomes = finished([start(), start()])
        # The later one waits for nothing: it says who holds the database, or finds the work done.
        assert {status for status, _ in outcomes} <= {0, 1}
        assert 0 in {status for status, _ in outcomes}
        assert all("one process opens the database" in said for status, said in outcomes if status == 1)
    else:
        outcomes = held_up(installed)
        assert [status for status, _ in outcomes] == [0, 0], outcomes
        assert sorted("nothing was changed" in said for _, said in outcomes) == [False, True]
    assert installed.read_now(migrate.current) == migrate.HEAD
    assert rows(installed) == data


def held_up(look: Any) -> list[tuple[int, str]]:
    """Two processes wait for a third that holds the lock for longer than a statement of a server may take."""
    started: list[subprocess.Popen[str]] = []

    def hold(connection: Any) -> None:
        migrate.lock(connection)
        started.extend([start(), start()])
        waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        deadline = time.monotonic() + 30
        while connection.execute(waiting).scalar() < 2:
            assert time.monotonic() < deadline
            connection.execute(sa.text("SELECT pg_sleep(0.05)"))
        for _ in range(2):
            connection.execute(sa.text("SELECT pg_sleep(1)"))

    look.write_now(hold)
    return finished(started)


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, "migrate"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finished(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    said = [process.communicate(timeout=60)[0] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def test_the_copy_of_an_sqlite_file_is_named(tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--issuer", "https://id.example.com"]) == 0
    database = Database(tmp_path / "data" / "idp.sqlite3")
    prepared(database)
    database.close()
    capfd.readouterr()
    assert run(["migrate"]) == 0
    said = capfd.readouterr().out
    assert "the schema was 0001 and is 0003 now" in said
    copy = Path("data") / "idp.sqlite3.before-0003"
    assert str(copy) in said
    kept = Database(tmp_path / copy)
    assert kept.read_now(migrate.current) == "0001"
    kept.close()
