"""A database as it is after years: people, clients, refresh families; made by the database itself, not row by row."""

from __future__ import annotations

import json

from argon2 import PasswordHasher
from cluster import Cluster

CLIENT = {
    "client_name": "One of many",
    "redirect_uris": ["https://many.example.test/callback"],
    "secret_hashes": ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": "openid profile email offline_access",
}


def fill(cluster: Cluster, database: str, *, people: int, clients: int, families: int) -> None:
    """All people share one hash, as the issue of a password is not what is measured."""
    hashed = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash("of everybody")
    data = json.dumps(CLIENT)[1:]
    cluster.sql(
        f"""
        INSERT INTO accounts (id, username, password_hash, claims, updated_at)
        SELECT 'person-' || i, 'person-' || i, '{hashed}',
               convert_to('{{"email":"' || i || '@many.example.test","name":"Person ' || i || '"}}', 'UTF8'), 0
        FROM generate_series(1, {people}) i;
        INSERT INTO clients (client_id, data, updated_at)
        SELECT 'client-' || i, convert_to('{{"client_id":"client-' || i || '",{data}', 'UTF8'), 0
        FROM generate_series(1, {clients}) i;
        INSERT INTO client_origins (origin, client_id)
        SELECT 'https://many.example.test', 'client-' || i FROM generate_series(1, {clients}) i;
        """,
        database,
    )
    fill_families(cluster, database, families, people=people, clients=clients, ends="now() + interval '20 days'")
    cluster.sql("VACUUM ANALYZE", database)


def fill_families(
    cluster: Cluster, database: str, count: int, *, people: int, clients: int, ends: str, prefix: str = "f"
) -> None:
    """``count`` grants with a refresh family each, that end at the SQL expression ``ends``."""
    cluster.sql(
        f"""
        INSERT INTO grants
               (id, client_id, account_id, scope, resources, offline, amr, auth_time, created_at, expires_at)
        SELECT md5('{prefix}' || i), 'client-' || (i % {clients} + 1), 'person-' || (i % {people} + 1),
               'openid profile email offline_access', '', true, 'pwd',
               extract(epoch from {ends}) - 2592000, extract(epoch from {ends}) - 2592000, extract(epoch from {ends})
        FROM generate_series(1, {count}) i;
        INSERT INTO refresh_tokens
               (handle, grant_id, client_id, secret_hash, generation, rotated_at, used_at, expires_at)
        SELECT substr(md5('h{prefix}' || i), 1, 22), md5('{prefix}' || i), 'client-' || (i % {clients} + 1),
               sha256(convert_to('{prefix}' || i, 'UTF8')), 0, 0, 0, extract(epoch from {ends})
        FROM generate_series(1, {count}) i;
        """,
        database,
    )
