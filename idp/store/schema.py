"""The tables. Times are Unix seconds as doubles; secrets we generate are kept as SHA-256 only (decision 15).

Key tables stand in ``store.keys``, on the same ``metadata``.
"""

from __future__ import annotations

import sqlalchemy as sa

from idp.store.columns import sha256 as _hash
from idp.store.columns import time as _time

metadata = sa.MetaData()

# sqlite_with_rowid=False keeps a row in its primary key's own tree: one tree less to write for each of the many rows
# whose key is random text.


# Compared by code point, as SQLite does: pages and exports come in one order on every database, and an index does not
# depend on the words of a language that the next release of the operating system sorts differently.
_BY_CODE_POINT = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")

clients = sa.Table(
    "clients",
    metadata,
    sa.Column("client_id", _BY_CODE_POINT, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    _time("updated_at"),
)

# Which origins some client's browser part calls from: what a CORS preflight, which names no client, is asked by.
client_origins = sa.Table(
    "client_origins",
    metadata,
    sa.Column("origin", sa.String(255), primary_key=True),
    sa.Column("client_id", sa.String(255), primary_key=True),
    sqlite_with_rowid=False,
)

resources = sa.Table(
    "resources",
    metadata,
    sa.Column("uri", sa.String(2000), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

scopes = sa.Table(
    "scopes",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("username", _BY_CODE_POINT, nullable=False, unique=True),
    sa.Column("password_hash", sa.String(255)),
    sa.Column("claims", sa.LargeBinary, nullable=False),
    _time("disabled_at", nullable=True),
    _time("updated_at"),
)

# `id` names the session inside; the cookie's value is only ever kept as `cookie_hash`, which changes at each sign-in
# while the session (and with it every relying party's sid) may go on.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    _hash("cookie_hash", nullable=False, unique=True),
    sa.Column("account_id", sa.String(64), nullable=False, index=True),
    _time("auth_time"),
    sa.Column("amr", sa.String(255), nullable=False),
    _time("created_at"),
    _time("last_seen"),
    _time("expires_at"),
    _time("ended_at", nullable=True),
    sa.Column("user_agent", sa.String(255)),  # as the browser said at sign-in: how a person tells their sessions apart
    sa.Column("network", sa.String(64)),  # where that was, as a network (/24, /56), never the full address
    sqlite_with_rowid=False,
)

# One row is both: the `sid` this client knows the session by, and the line that says it must hear of the logout.
session_clients = sa.Table(
    "session_clients",
    metadata,
    sa.Column("session_id", sa.String(64), primary_key=True),
    sa.Column("client_id", sa.String(255), primary_key=True),
    sa.Column("sid", sa.String(64), nullable=False, unique=True),
    sqlite_with_rowid=False,
)

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("account_id", sa.String(64), primary_key=True),
    sa.Column("client_id", sa.String(255), primary_key=True),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("resources", sa.Text, nullable=False),
    _time("updated_at"),
    _time("created_at", nullable=True),  # null where schema 0001 wrote it
    sa.Column("claims", sa.Text),  # names allowed one by one (OIDC Core 5.5); null where older schemas wrote it
    sqlite_with_rowid=False,
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("client_id", sa.String(255), nullable=False),
    sa.Column("account_id", sa.String(64), nullable=False, index=True),
    sa.Column("session_id", sa.String(64)),
    sa.Column("sid", sa.String(64)),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("resources", sa.Text, nullable=False),
    sa.Column("offline", sa.Boolean, nullable=False),  # outlives the session it was given in (OIDC Core 11)
    sa.Column("amr", sa.String(255), nullable=False),
    _time("auth_time"),
    _time("created_at"),
    _time("expires_at"),
    _time("revoked_at", nullable=True),
    sa.Column("claims", sa.Text),  # the claims parameter, as JSON (OIDC Core 5.5)
    sa.Column("acr", sa.String(255)),
    sqlite_with_rowid=False,
)

codes = sa.Table(
    "codes",
    metadata,
    _hash("hash", primary_key=True),
    sa.Column("grant_id", sa.String(64), nullable=False),
    sa.Column("client_id", sa.String(255), nullable=False),
    sa.Column("redirect_uri", sa.Text, nullable=False),
    sa.Column("code_challenge", sa.String(128)),
    sa.Column("nonce", sa.Text),
    _time("expires_at"),
    _time("spent_at", nullable=True),
    sa.Column("dpop_jkt", sa.String(64)),  # thumbprint of the key that must redeem it (RFC 9449 10)
    sqlite_with_rowid=False,
)

# One row per family (decision 7): the live secret and its predecessor; older ones are recognised by hashing forward.
refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    sa.Column("handle", sa.String(32), primary_key=True),
    sa.Column("grant_id", sa.String(64), nullable=False, index=True),
    sa.Column("client_id", sa.String(255), nullable=False),
    _hash("secret_hash", nullable=False),
    _hash("previous_hash"),
    sa.Column("generation", sa.Integer, nullable=False),
    _time("rotated_at"),
    _time("used_at"),
    _time("expires_at"),
    sa.Column("dpop_jkt", sa.String(64)),  # thumbprint of the key a public client's family is bound to (RFC 9449 5)
    sqlite_with_rowid=False,
)

revoked_tokens = sa.Table(
    "revoked_tokens",
    metadata,
    sa.Column("jti", sa.String(64), primary_key=True),
    _time("expires_at"),
    sqlite_with_rowid=False,
)

# Values that may count once, typed by purpose so that one kind can never pass for another (decision 6).
spent_values = sa.Table(
    "spent_values",
    metadata,
    sa.Column("purpose", sa.String(32), primary_key=True),
    _hash("hash", primary_key=True),
    _time("expires_at"),
    sqlite_with_rowid=False,
)

epoch = sa.Table(
    "epoch",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("writer", sa.String(32), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    _time("at"),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("client_id", sa.String(255)),
    sa.Column("account_id", sa.String(64)),
    sa.Column("detail", sa.LargeBinary, nullable=False),
    sa.Index("audit_at", "at"),
    sa.Index("audit_account", "account_id", "at"),
    sqlite_with_rowid=False,
)

# Buckets of tries (decision 16): at `at` the bucket was `level` full (1 is the whole of it); then it empties, and is
# empty at `expires_at`. The key is a keyed hash of what is limited: neither a user name nor an address stands here.
attempts = sa.Table(
    "attempts",
    metadata,
    _hash("bucket", primary_key=True),
    sa.Column("level", sa.Double, nullable=False),
    _time("at"),
    _time("expires_at"),
    sqlite_with_rowid=False,
)

# When something last happened to the whole installation, by its name: a backup.
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    _time("at"),
    sqlite_with_rowid=False,
)

# When a redirect URI last carried an answer, to the day: what `apply --plan` warns of before one is taken away.
redirect_uses = sa.Table(
    "redirect_uses",
    metadata,
    sa.Column("client_id", sa.String(255), primary_key=True),
    _hash("uri_hash", primary_key=True),
    _time("at"),
    sqlite_with_rowid=False,
)

_WAITS = sa.text("delivered_at IS NULL AND given_up_at IS NULL")

# The outbox of back-channel logout: written with the session's end, sent by whoever holds the lease (decision 24).
logout_deliveries = sa.Table(
    "logout_deliveries",
    metadata,
    sa.Column("jti", sa.String(64), primary_key=True),
    sa.Column("client_id", sa.String(255), nullable=False),
    sa.Column("account_id", sa.String(64), nullable=False),
    sa.Column("sid", sa.String(64), nullable=False),
    sa.Column("uri", sa.Text, nullable=False),
    _time("created_at"),
    _time("due_at"),
    _time("claimed_until"),
    sa.Column("attempts", sa.Integer, nullable=False),
    _time("delivered_at", nullable=True),
    _time("given_up_at", nullable=True),
    sa.Column("last_answer", sa.String(255)),
    sa.Column("tries", sa.Text),  # a line each: seconds since `created_at`, and the answer
    # Only of those that wait: every node looks once a second, and nearly all rows have arrived.
    sa.Index("logout_deliveries_due", "due_at", sqlite_where=_WAITS, postgresql_where=_WAITS),
)
