"""Passwords hashed by other programs sign in over HTTP, are hashed anew at that moment, and tell nobody who exists."""

from __future__ import annotations

import base64
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import bcrypt
import pytest
from argon2 import PasswordHasher, Type
from django.contrib.auth import hashers
from werkzeug.security import generate_password_hash

from idp.accounts.decoys import Decoys
from idp.accounts.passwords import PasswordPool
from idp.manifest import ManifestError
from idp.store.accounts import find_by_username
from idp.testing import Provider

pytestmark = pytest.mark.anyio

OURS = "$argon2id$v=19$m=19456,t=2,p=1$"
PASSWORD = "pässwörd – with a space"  # noqa: RUF001
LONG = "é" * 60  # 120 bytes, more than bcrypt looks at


class QuickArgon2(hashers.Argon2PasswordHasher):
    memory_cost = 1024


class QuickPbkdf2(hashers.PBKDF2PasswordHasher):
    iterations = 1_000


class QuickSha1(hashers.PBKDF2SHA1PasswordHasher):
    iterations = 1_000


class QuickBcrypt(hashers.BCryptPasswordHasher):
    rounds = 4


class QuickBcryptSha256(hashers.BCryptSHA256PasswordHasher):
    rounds = 4


def made_by_the_original() -> Iterator[tuple[str, str, str]]:
    """Hashes made now by Django and Werkzeug themselves; costs are low, the forms are theirs."""
    yield "django pbkdf2_sha256", PASSWORD, QuickPbkdf2().encode(PASSWORD, "saltsaltsalt")
    yield "django pbkdf2_sha1", PASSWORD, QuickSha1().encode(PASSWORD, "saltsaltsalt")
    yield "django argon2", PASSWORD, QuickArgon2().encode(PASSWORD, "saltsaltsalt")
    yield "django scrypt", PASSWORD, hashers.ScryptPasswordHasher().encode(PASSWORD, "saltsaltsalt")
    for name, hasher in (("bcrypt", QuickBcrypt()), ("bcrypt_sha256", QuickBcryptSha256())):
        yield f"django {name}", PASSWORD, hasher.encode(PASSWORD, hasher.salt())
    yield "django bcrypt_sha256, long", LONG, QuickBcryptSha256().encode(LONG, QuickBcryptSha256().salt())
    for method in ("pbkdf2:sha256:1000", "pbkdf2:sha512:1000", "pbkdf2:sha1:1000", "scrypt:1024:8:1", "scrypt"):
        yield f"werkzeug {method}", PASSWORD, generate_password_hash(PASSWORD, method)


def published() -> Iterator[tuple[str, str, str]]:
    """Fixed vectors, each with the test-suite or manual it is from."""
    # PHP's manual, password_verify
    yield "php $2y$", "rasmuslerdorf", "$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq"
    # php-src: ext/standard/tests/password/password_verify.phpt and password_verify_argon2.phpt
    yield "php $2a$", "rasmuslerdorf", "$2a$07$usesomesillystringfore2uDLvp1Ii2e./U9C8sBjqp8I90dH6hi"
    argon2i = "$argon2i$v=19$m=65536,t=3,p=1$OEVjWWs2Z3YvWlNZQ0ZmNw$JKin7ahjmh8JYvMyFcXri0Ss/Uvd3uYpD7MG6C/5Cy0"
    yield "php argon2i", "test", argon2i
    argon2id = "$argon2id$v=19$m=1024,t=2,p=2$WS90MHJhd3AwSC5xTDJpZg$8tn2DaIJR2/UX4Cjcy2t3EZaLDL/qh+NbLQAOvTmdAg"
    yield "php argon2id", "test", argon2id
    # Openwall's crypt_blowfish, wrapper.c
    yield "crypt_blowfish $2a$", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
    # passlib: tests/test_handlers.py
    yield "passlib pbkdf2", "password", "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI"
    sha256 = "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ"
    yield "passlib pbkdf2-sha256", "password", sha256
    sha512 = "eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww"
    yield "passlib pbkdf2-sha512", "password", f"$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow${sha512}"
    # bcrypt itself: the plain form, and PHP's for a password longer than bcrypt looks at
    plain = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    yield "bcrypt $2b$", PASSWORD, plain
    cut = bcrypt.hashpw(LONG.encode()[:72], bcrypt.gensalt(4)).decode()
    yield "php $2y$, cut at 72 bytes", LONG, cut.replace("$2b$", "$2y$")
    yield "argon2id of other costs", PASSWORD, PasswordHasher(1, 8192, 2, type=Type.ID).hash(PASSWORD)


VECTORS = [*made_by_the_original(), *published()]


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as started:
        yield started


async def signs_in(provider: Provider, username: str, password: str) -> bool:
    answer = await provider.http.post("/api/token/", json={"username": username, "password": password})
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


async def stored(provider: Provider, username: str) -> str:
    found = await provider.server.database.read(find_by_username, username)
    assert found is not None
    assert found.password_hash is not None
    return found.password_hash


def person(username: str, hashed: str) -> str:
    return f"[[people]]\nusername = '{username}'\npassword_hash = '{hashed}'\n"


@pytest.mark.parametrize(("name", "password", "hashed"), VECTORS, ids=[name for name, _, _ in VECTORS])
async def test_the_old_password_signs_in_and_is_hashed_anew(
    provider: Provider, name: str, password: str, hashed: str
) -> None:
    await provider.apply(person(name, hashed))
    assert not await signs_in(provider, name, password + "x" if "72" not in name else "x" + password)
    assert not await signs_in(provider, name, "")
    assert await stored(provider, name) == hashed
    assert await signs_in(provider, name, password)
    assert (await stored(provider, name)).startswith(OURS)
    assert await signs_in(provider, name, password)
    assert not await signs_in(provider, name, password + "x")


async def test_applying_the_old_hash_again_brings_no_old_password_back(provider: Provider) -> None:
    text = person("again", generate_password_hash("first", "pbkdf2:sha256:1000"))
    assert (await provider.apply(text))["changed"] == 1
    other = person("again", generate_password_hash("second", "pbkdf2:sha256:1000"))
    assert (await provider.apply(other))["changed"] == 1, "not used yet: the file decides"
    assert await signs_in(provider, "again", "second")
    assert (await provider.apply(other))["changed"] == 0
    await provider.control("user.passwd", username="again", password="third")
    assert (await provider.apply(text))["changed"] == 0
    assert await signs_in(provider, "again", "third")
    assert not await signs_in(provider, "again", "first")


_KEY = base64.b64encode(b"k" * 32).decode()
_MD5 = hashlib.md5(b"x").hexdigest()
_ARGON2_END = "$c29tZXNhbHRzb21l$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"


@pytest.mark.parametrize(
    ("hashed", "said"),
    [
        ("plain text", "one of pbkdf2_sha256$"),
        ("h" * 256, "at most 255 characters"),
        (f"md5$salt${_MD5}", "billions of guesses"),
        (f"sha1$salt${_MD5}", "billions of guesses"),
        (_MD5, "billions of guesses"),
        ("{SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3", "billions of guesses"),
        (
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68OTLiBFdcbYEdFCoEOfaS35inz1",
            "crypt(3)",
        ),
        ("$P$BEfDLpPuUGsSnXNYRWVHAu1pF0iZOL/", "phpass"),
        (f"pbkdf2_sha256$10000001$salt${_KEY}", "PBKDF2 iterations from 1 to 10_000_000"),
        (f"pbkdf2_sha256$0$salt${_KEY}", "PBKDF2 iterations"),
        (f"pbkdf2_sha256$+1$salt${_KEY}", "PBKDF2 iterations"),
        (f"pbkdf2_sha256$1000$$${_KEY}", "pbkdf2_sha256$iterations$salt$base64"),
        ("pbkdf2_sha256$1000$salt$k", "base64"),
        ("pbkdf2_sha256$1000$salt$YQ==", "16 to 64 bytes"),
        ("pbkdf2:md5:1000$salt$" + "00" * 16, "sha256, sha512 or sha1"),
        ("pbkdf2:sha256:1000$salt$zz", "hexadecimal"),
        ("scrypt:524288:8:1$salt$" + "00" * 64, "128 N r <= 268435456"),
        ("scrypt:262144:8:3$salt$" + "00" * 64, "128 N r p <= 536870912"),
        ("scrypt:1000:8:1$salt$" + "00" * 64, "power of two"),
        ("scrypt:65536:1:1$salt$" + "00" * 64, "power of two below"),
        (f"scrypt$16384$salt$8${_KEY}", "scrypt$N$salt$r$p$base64"),
        ("$2b$17$" + "a" * 53, "cost 04 to 16"),
        ("$2b$12$" + "a" * 52, "60 characters"),
        ("bcrypt$$2b$31$" + "a" * 53, "cost 04 to 16"),
        ("$2x$12$" + "a" * 53, "$2b$, $2y$ or $2a$"),
        (f"$argon2id$v=19$m=262145,t=2,p=1{_ARGON2_END}", "m <= 262144"),
        (f"argon2$argon2id$v=19$m=1024,t=17,p=1{_ARGON2_END}", "t and p <= 16"),
        (f"$argon2id$v=19$m=8,t=1,p=2{_ARGON2_END}", "m <= 262144"),
        (f"$argon2d$v=19$m=1024,t=1,p=1{_ARGON2_END}", "$argon2id$ or $argon2i$"),
        (f"$argon2id$m=1024,t=1,p=1{_ARGON2_END}", "$argon2id$ or $argon2i$v=19"),
    ],
)
async def test_what_cannot_or_must_not_be_checked_is_refused_with_its_line(
    provider: Provider, hashed: str, said: str
) -> None:
    with pytest.raises(ManifestError) as refused:
        await provider.apply(person("nobody", hashed))
    (problem,) = refused.value.problems
    assert problem.line == 3
    assert said in problem.expected
    assert hashed not in str(problem)


async def test_a_row_that_nobody_can_read_signs_nobody_in(provider: Provider) -> None:
    """Written past every check: an answer like any other, and no failure of the server."""
    for number, hashed in enumerate(("", "nonsense", "$2b$04$" + "/" * 53, f"scrypt$4$s$1$1${_KEY}")):
        name = f"unreadable{number}"
        await provider.apply(person(name, bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()))
        provider.server.database.write_now(  # type: ignore[attr-defined]
            lambda c, name=name, hashed=hashed: c.exec_driver_sql(
                "UPDATE accounts SET password_hash = ? WHERE username = ?", (hashed, name)
            )
        )
        assert not await signs_in(provider, name, "x")


async def test_the_hash_an_unknown_name_is_checked_against_lets_nobody_in() -> None:
    pool = PasswordPool(1)
    pool.learn_costs(b"k" * 32, {"a": (QuickPbkdf2().encode("right", "saltsaltsalt"), 1)})
    try:
        for stored in (None, ""):
            assert not await pool.verify(stored, "right", "nobody")
    finally:
        pool.close()


SLOW = QuickPbkdf2().encode("right", "saltsaltsalt", 2_000_000)  # 0.4 s or more


async def test_unknown_names_cost_what_imported_people_do() -> None:
    async with Provider() as provider:
        people = [{"username": f"slow{number}", "password_hash": SLOW} for number in range(100)]
        before = await seconds(provider, "nobody-0")
        for _ in range(4):
            await provider.control("user.import", people=people, source="csv")
            people = [person | {"username": person["username"] + "x"} for person in people]
        await provider.advance(1)
        known = await seconds(provider, "slow7")
        assert before < known / 4
        unknown = sorted([await seconds(provider, f"nobody-{number}") for number in range(5)])
        assert known / 2 < unknown[2], "400 of 402 people are slow: so are all but few unknown names"
        assert known / 2 < await seconds(provider, "slow7", "x" * 1025), "too long a password is no shortcut"
        assert await signs_in(provider, "slow7", "right")
        assert await seconds(provider, "slow7") < known / 2


async def seconds(provider: Provider, username: str, password: str = "wrong") -> float:
    """Of this process's own work, whatever else the machine does: an answer's time is this and the waiting for it."""
    started = time.process_time()
    assert not await signs_in(provider, username, password)
    return time.process_time() - started


async def test_an_unknown_name_keeps_its_cost_until_people_move_to_ours() -> None:
    """As often as people have it; when half of them sign in, half of the slow names become quick, and none slow."""
    names = [f"name{number}" for number in range(4_000)]

    def costs(quick: int, slow: int, other: int) -> dict[str, str]:
        decoys = Decoys("common")
        assert decoys.for_name("name") == "common"
        shares = {"a": ("quick", quick), "b": ("slow", slow), "c": ("other", other)}
        decoys.learn(b"k" * 32, {cost: share for cost, share in shares.items() if share[1]})
        return {name: decoys.for_name(name) for name in names}

    before, after = costs(500, 3_000, 500), costs(2_250, 1_500, 250)
    count = Counter(before.values())
    assert abs(count["slow"] - 3_000) < 150
    assert abs(count["other"] - 500) < 100
    assert abs(Counter(after.values())["slow"] - 1_500) < 150
    moved = {(before[name], after[name]) for name in names if before[name] != after[name]}
    assert moved <= {("slow", "quick"), ("other", "quick")}
    assert costs(1, 0, 0) == dict.fromkeys(names, "quick")


async def test_a_batch_that_fails_is_rolled_back_and_its_error_holds_no_hash(provider: Provider) -> None:
    hashed = generate_password_hash("x", "pbkdf2:sha256:1000")
    twins = [{"username": name, "sub": "one-sub", "password_hash": hashed} for name in ("twin1", "twin2")]
    with pytest.raises(Exception, match="UNIQUE") as failed:
        await provider.control("user.import", people=twins, source="csv")
    assert hashed not in str(failed.value)
    assert await provider.server.database.read(find_by_username, "twin1") is None
