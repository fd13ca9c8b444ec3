"""Rows without a test of their own here: what they attack is not there, or its test stands elsewhere."""

from __future__ import annotations

_FACTORS = "no second factor, passkey, recovery or mail"
_UPSTREAM = "no upstream sign-in"

NOT_APPLICABLE: dict[str, str] = {
    "EN-07": _FACTORS,
    "BF-07": _FACTORS,
    "MF-01": _FACTORS,
    "MF-03": _FACTORS,
    "MF-04": _FACTORS,
    "MF-05": _FACTORS,
    "MF-06": _FACTORS,
    "MF-07": _FACTORS,
    "MF-11": _FACTORS,
    "MF-12": _FACTORS,
    "MF-13": _FACTORS,
    "FE-01": _UPSTREAM,
    "FE-02": _UPSTREAM,
    "FE-03": _UPSTREAM,
    "FE-05": _UPSTREAM,
    "FE-06": _UPSTREAM,
    "FE-07": _UPSTREAM,
    "FT-09": "no mail",
    "PR-13": "no page sizes or offsets; the numbers of the protocol are RO-12 and CA-14",
}

# Rows whose test needs the parts of another suite.
ELSEWHERE: dict[str, str] = {
    "FT-01": "tests/faults/test_kill.py",
    "FT-03": "tests/faults/test_sqlite_starved.py",
    "FT-04": "tests/faults/test_postgres_refuses.py",
    "FT-07": "tests/topology/test_topology_replacing.py",
    "TK-02": "tests/keys/test_rotation_live.py",
    "FT-12": "tests/backup/test_backup_restore.py",
    "FT-13": "tests/backup/test_migrate_faults.py",
}
