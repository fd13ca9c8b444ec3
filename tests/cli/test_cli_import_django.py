"""``idp user import --django``: a real Django project's users table, then sign-in over HTTP with the old passwords."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from cli_support import Idp

from idp.store.accounts import find_by_username
from idp.testing import RunningServer, running_server

ALGORITHMS = ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "db.sqlite3"
    subprocess.run([sys.executable, Path(__file__).parent / "django_site.py", path], check=True, timeout=60)
    return path


@pytest.fixture
def site(made: Path, here: Path) -> Path:
    return Path(shutil.copy(made, here / "db.sqlite3"))


def stored_hash(server: RunningServer, username: str) -> str | None:
    work = server.application.server.database.read(find_by_username, username)
    found = asyncio.run_coroutine_threadsafe(work, server.loop).result(30)
    return found.password_hash if found else None


def test_people_of_a_django_site_sign_in_with_their_old_passwords(idp: Idp, here: Path, site: Path) -> None:
    before = site.read_bytes()
    with running_server(data_dir=here / ".idp") as server:

        def signs_in(name: str, password: str) -> bool:
            form = {"username": name, "password": password}
            return httpx2.post(f"{server.issuer}/api/token/", json=form, timeout=30).status_code == 200

        dry = idp("user", "import", "--django", "sqlite:///db.sqlite3", "--sub", "django:{id}", "--dry-run")
        assert dry.out == "8 new, 0 rejected (dry run: nothing is written)\n"
        assert stored_hash(server, "gone") is None
        said = idp("user", "import", "--django", "sqlite:///db.sqlite3", "--sub", "django:{id}")
        assert said.out == "8 new, 0 rejected\n"
        assert "1 of them have no password" in said.err
        people = {person["username"]: person for person in server.control("user.list")["people"]}
        for number, algorithm in enumerate(ALGORITHMS, 1):
            name = f"{algorithm}@example.com"
            assert people[name]["sub"] == f"django:{number}"
            assert people[name]["claims"]["name"] == f"Ada {algorithm}"
            assert people[name]["claims"]["email"] == name
            assert (stored_hash(server, name) or "").startswith(f"{algorithm}$")
            assert not signs_in(name, f"old {algorithm}!")
            assert signs_in(name, f"old {algorithm}")
            assert (stored_hash(server, name) or "").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
            assert signs_in(name, f"old {algorithm}")
        assert people["gone"]["disabled"]
        assert not signs_in("gone", "old gone")
        assert stored_hash(server, "sso-only") is None
        assert not signs_in("sso-only", "")
        again = idp("user", "import", "--django", "sqlite:///db.sqlite3", "--sub", "django:{id}")
        assert again.out == "0 new, 8 here already, 0 rejected\n"
        assert signs_in("argon2@example.com", "old argon2")
    assert site.read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == [".idp", "db.sqlite3"]


def test_another_users_table_with_other_columns(idp: Idp, site: Path) -> None:
    with sqlite3.connect(site) as connection:
        connection.execute("ALTER TABLE auth_user RENAME TO shop_customer")
        connection.execute("ALTER TABLE shop_customer DROP COLUMN first_name")
        connection.execute("ALTER TABLE shop_customer RENAME COLUMN username TO handle")
    connection.close()
    asked = ["user", "import", "--django", f"sqlite:///{site}"]
    missing = idp(*asked)
    assert missing.status == 2
    assert "shop_customer" in missing.err
    missing = idp(*asked, "--table", "shop_customer")
    assert missing.status == 2
    assert "handle" in missing.err
    assert "--map" in missing.err
    said = idp(*asked, "--table", "shop_customer", "--map", "username=handle", "--map", "nickname=last_name")
    assert said.out == "8 new, 0 rejected\n"


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("sqlite:///nowhere.sqlite3", "no file there"),
        ("sqlite:///not-a-database", "DatabaseError"),
        ("mysql://root:s3cret@db/site", "export the table as CSV"),
        ("postgresql://me:s3cret@127.0.0.1:1/site", "can be read"),
        ("s3cret", "of another form"),
    ],
)
def test_a_database_that_cannot_be_read_is_told_without_its_password(idp: Idp, here: Path, dsn: str, said: str) -> None:
    (here / "not-a-database").write_text("username,password\n" * 100)
    answer = idp("user", "import", "--django", dsn)
    assert answer.status == 2
    assert said in answer.err
    assert "s3cret" not in answer.err
    assert not (here / "nowhere.sqlite3").exists()
