"""Values that count once (decision 6): typed by purpose, so that one kind never passes for another; kept as hashes."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from store_values import House

from idp.store import codes as codes_of
from idp.store.copying import dump
from idp.store.schema import codes, refresh_tokens, sessions, spent_values
from idp.store.spent import spend
from idp.store.statements import Prepared


def test_once_by_purpose(house: House) -> None:
    later = house.now + 60
    told = [house.write(spend, *what, later) for what in (("a", "v"), ("b", "v"), ("a", "w"), ("a", "v"), ("b", "v"))]
    assert told == [True, True, True, False, False]


def test_no_secret_is_in_a_row(house: House) -> None:
    """AD-02: whoever reads the database holds nothing that could be presented."""
    rows: list[bytes] = []
    secrets = handed_out(house)
    house.write(dump, rows.append)  # in one transaction
    assert not [hidden for hidden in secrets if hidden in b"".join(rows)]
    for table, column in ((codes, "hash"), (sessions, "cookie_hash"), (refresh_tokens, "secret_hash")):
        assert len(house.read(lambda c, t=table, n=column: c.execute(sa.select(t.c[n])).scalar())) == 32


def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    """What SQLite writes beside the rows holds none either."""
    house = House.build(tmp_path / "test.sqlite3")
    secrets = handed_out(house)
    house.read(lambda c: c.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)"))
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    house.database.close()
    assert not [hidden for hidden in secrets if hidden in data]


def handed_out(house: House) -> list[bytes]:
    """Everything a stranger could present, after it was given to somebody."""
    cookie = house.sign_in()
    new = house.code(cookie)
    assert new is not None
    secret = b"a secret of thirty-two bytes ....."
    house.write(codes_of.redeem, house.journal, house.redemption(new.code, "handle", secret))
    house.write(spend, "assertion", "a-jti-of-somebody", house.now + 60)
    return [cookie.encode(), new.code.encode(), secret, b"a-jti-of-somebody"]


def test_a_prepared_statement_says_what_core_says(house: House) -> None:
    for number in range(3):
        house.write(spend, "kind", f"v{number}", house.now + number)
    statement = (
        sa.select(spent_values.c.purpose, spent_values.c.expires_at.label("until"))
        .where(spent_values.c.expires_at > sa.bindparam("after"))
        .order_by(spent_values.c.expires_at)
    )
    prepared, given = Prepared(statement), {"after": house.now}
    core = house.read(lambda c: c.execute(statement, given).mappings().first())
    assert house.read(prepared.first, given) == dict(core)
    assert house.read(prepared.first, {"after": house.now + 9}) is None
    later = sa.update(spent_values).values(expires_at=spent_values.c.expires_at + 1.5)
    assert house.write(Prepared(later).run, {}) == 3
    assert house.read(prepared.first, given)["until"] == house.now + 1.5


def test_a_prepared_statement_refuses_what_needs_converting() -> None:
    with pytest.raises(TypeError):
        Prepared(sa.select(sa.column("at", sa.DateTime)))
