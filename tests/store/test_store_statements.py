"""Prepared inserts: what is not given is null, and what has to be given is missed at once."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from idp.store.statements import Prepared

TABLE = sa.Table(
    "kept",
    sa.MetaData(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("needed", sa.Text, nullable=False),
    sa.Column("spare", sa.Text),
)


@pytest.fixture
def connection() -> sa.Connection:
    opened = sa.create_engine("sqlite://").connect()
    TABLE.create(opened)
    return opened


def test_a_column_that_may_be_null_is_null_where_it_is_not_given(connection: sa.Connection) -> None:
    insert = Prepared(sa.insert(TABLE))
    assert insert.run(connection, {"id": "a", "needed": "n"}) == 1
    assert insert.run(connection, {"id": "b", "needed": "n", "spare": "s"}) == 1
    rows = connection.execute(sa.select(TABLE).order_by(TABLE.c.id)).all()
    assert [tuple(row) for row in rows] == [("a", "n", None), ("b", "n", "s")]
    connection.close()


def test_a_column_that_must_be_given_is_missed(connection: sa.Connection) -> None:
    with pytest.raises(KeyError, match="needed"):
        Prepared(sa.insert(TABLE)).run(connection, {"id": "a"})
    connection.close()
