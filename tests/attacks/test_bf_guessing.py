"""BF: guessing passwords meets limits, and limits lock no owner out."""

from __future__ import annotations

import asyncio

import pytest
from attack_crowd import HOME, address, browser_at, knock, until_refused
from attack_support import Browser, World, answer_of
from test_en_enumeration import without_nonces

from idp.accounts import guessing
from idp.protocol.errors import Throttled
from idp.store.accounts import set_disabled

pytestmark = pytest.mark.anyio

WINDOW, SLOT = 900, 90  # of an account's bucket: ten in a quarter of an hour, one in a minute and a half
AWAY = "203.0.113.9"


async def test_bf_01_guessing_at_one_account(fresh: World) -> None:
    statuses = []
    for _ in range(60):
        statuses.append((await knock(fresh, "alice", "wrong"))[0])
        fresh.provider.clock.advance(1)
    assert statuses[:10] == [401] * 10
    assert statuses[10:] == [429] * 50
    status, wait = await knock(fresh, "alice", "alice")
    assert status == 429, "the right one is refused like any other"
    assert 0 < wait <= SLOT
    fresh.provider.clock.advance(WINDOW)
    assert (await knock(fresh, "alice", "alice"))[0] == 200


async def test_bf_01_retry_after_is_the_truth(fresh: World) -> None:
    await until_refused(lambda _: knock(fresh, "alice", "wrong"), 20)
    _, wait = await knock(fresh, "alice", "alice")
    fresh.provider.clock.advance(wait)
    assert (await knock(fresh, "alice", "alice"))[0] == 200


async def test_bf_02_parallel_guessing() -> None:
    """One process; two on PostgreSQL stand in tests/postgres."""
    async with World(passwords__queue=200) as world:
        answers = await asyncio.gather(*(knock(world, "alice", "wrong", address(n)) for n in range(100)))
        statuses = [status for status, _ in answers]
        assert set(statuses) == {401, 429}
        assert statuses.count(401) == 10


async def test_bf_05_nobody_is_locked_out_of_their_own_browser(fresh: World) -> None:
    home, elsewhere = browser_at(fresh, HOME), browser_at(fresh, AWAY)
    await home.sign_on()
    for second in range(600):
        await knock(fresh, "alice", "wrong", address(second))
        fresh.provider.clock.advance(1)
        if second % 200 == 100:
            page = await home.follow(await home.ask(prompt="login"))
            assert (await home.log_in(page, "alice", "typo")).status_code == 401
            assert "code" in answer_of(await home.follow(await home.log_in(page, "alice")))
            unknown = await elsewhere.follow(await elsewhere.ask())
            assert (await elsewhere.log_in(unknown, "alice")).status_code == 429
            assert (await knock(fresh, "bob", "bob", AWAY))[0] == 200
    fresh.provider.clock.advance(SLOT)
    assert (await knock(fresh, "alice", "alice", AWAY))[0] == 200, "and never for good"


async def test_bf_05_another_persons_device_buys_nothing(fresh: World) -> None:
    browser = browser_at(fresh, HOME)
    await browser.sign_on(person="mallory")
    page = await browser.follow(await browser.ask(prompt="login"))
    await until_refused(lambda _: knock(fresh, "alice", "wrong"), 20)
    assert (await browser.log_in(page, "alice", "wrong")).status_code == 429
    browser.http.cookies.set("idp-device", browser.http.cookies["idp-device"][:-4] + "AAAA", domain="localhost.local")
    assert (await browser.log_in(page, "alice", "wrong")).status_code == 429


async def test_bf_05_one_hash_for_two_people_is_not_one_device(fresh: World) -> None:
    hashed = await fresh.server.passwords.hash("shared")
    for name in ("a", "b"):
        await fresh.provider.apply(f'[[people]]\nusername = "{name}"\npassword_hash = "{hashed}"')
    browser = browser_at(fresh, HOME)
    page = await browser.follow(await browser.ask())
    assert (await browser.log_in(page, "a", "shared")).status_code == 303
    page = await browser.follow(await browser.ask(prompt="login"))
    await until_refused(lambda _: knock(fresh, "b", "wrong"), 20)
    assert (await browser.log_in(page, "b", "shared")).status_code == 429


async def test_bf_05_a_stolen_device_buys_its_own_few_tries(fresh: World) -> None:
    browser = browser_at(fresh, HOME)
    await browser.sign_on()
    page = await browser.follow(await browser.ask(prompt="login"))

    async def send(_: int) -> tuple[int, int]:
        return (await browser.log_in(page, "alice", "wrong")).status_code, 0

    assert await until_refused(send, 20) == 10
    assert (await knock(fresh, "alice", "alice"))[0] == 200, "the owner elsewhere notices nothing"


async def test_bf_05_a_new_password_makes_old_devices_strangers(fresh: World) -> None:
    browser = browser_at(fresh, HOME)
    await browser.sign_on()
    await fresh.provider.control("user.passwd", username="alice", password="another")
    await until_refused(lambda _: knock(fresh, "alice", "wrong"), 20)
    page = await browser.follow(await browser.ask())
    assert (await browser.log_in(page, "alice", "another")).status_code == 429
    fresh.provider.clock.advance(SLOT)
    assert (await browser.log_in(page, "alice", "another")).status_code == 303
    await knock(fresh, "alice", "wrong")
    page = await browser.follow(await browser.ask(prompt="login"))
    assert (await browser.log_in(page, "alice", "another")).status_code == 303, "known again"


async def test_bf_08_honest_people_are_not_in_the_way(fresh: World) -> None:
    for _ in range(5):
        assert (await knock(fresh, "alice", "typo"))[0] == 401
    answers = await asyncio.gather(*(knock(fresh, "alice", "alice") for _ in range(20)))
    assert [status for status, _ in answers] == [200] * 20


async def test_bf_08_a_right_try_waits_for_those_in_flight() -> None:
    """Nine typos leave one place, and three right tries at once: each takes it, and gives it back."""
    async with World(passwords__workers=4) as world:
        for _ in range(9):
            await knock(world, "alice", "typo")
        answers = await asyncio.gather(*(knock(world, "alice", "alice") for _ in range(3)))
        assert [status for status, _ in answers] == [200] * 3


async def test_bf_11_the_limit_forgives(fresh: World) -> None:
    await until_refused(lambda _: knock(fresh, "alice", "wrong"), 20)
    for _ in range(5 * WINDOW // SLOT * 2):
        fresh.provider.clock.advance(SLOT / 2)
        await knock(fresh, "alice", "wrong")
    fresh.provider.clock.advance(WINDOW)
    assert await until_refused(lambda _: knock(fresh, "alice", "wrong"), 20) == 10, "all is as it was"


@pytest.mark.parametrize("networks", [1, 600], ids=["from one network", "from 600 networks"])
async def test_bf_01_spraying_passwords_over_accounts(fresh: World, networks: int) -> None:
    """USERS 27: 10,000 tries at 1,000 accounts in ten minutes: at most 0.1 % are looked at after the first minute.

    Places are taken as a sign-in takes them, and nothing is hashed: whoever has a place would be.
    """
    home = browser_at(fresh, HOME)
    await home.sign_on()
    begun, looked_at = fresh.now, []
    for number in range(10_000):
        fresh.provider.clock.advance(0.06)
        network = f"10.{number % networks >> 8}.{number % networks & 255}.0/24"
        try:
            buckets = guessing.strangers_buckets(fresh.server, f"person-{number % 1000}", network)
            await guessing.take(fresh.server, buckets, patient=False)
            looked_at.append(fresh.now - begun)
        except Throttled:
            pass
    late = sum(seconds > 60 for seconds in looked_at)
    assert 0 < late <= 0.001 * 9_000, f"{late} of 9,000"
    assert len(looked_at) < 1_100
    page = await home.follow(await home.ask(prompt="login"))
    assert "code" in answer_of(await home.follow(await home.log_in(page, "alice")))
    if networks == 1:
        assert (await knock(fresh, "bob", "bob", AWAY))[0] == 200, "who sits elsewhere notices nothing"


async def test_bf_01_a_spray_over_http_ends_at_the_network(fresh: World) -> None:
    assert await until_refused(lambda n: knock(fresh, f"person-{n}", "wrong", address(1, n % 200)), 60) == 30
    assert (await knock(fresh, "bob", "bob", address(1)))[0] == 429
    assert (await knock(fresh, "bob", "bob", address(2)))[0] == 200
    fresh.provider.clock.advance(120)
    for _ in range(5):
        assert (await knock(fresh, "bob", "bob", address(1)))[0] == 200, "success gives its place back"


PROXY = "192.0.2.1"


@pytest.mark.parametrize(
    ("trusted", "peer"),
    [((), AWAY), ((PROXY + "/32",), PROXY), ((PROXY + "/32",), AWAY)],
    ids=["none", "one", "past it"],
)
async def test_bf_01_no_header_changes_the_bucket(trusted: tuple[str, ...], peer: str) -> None:
    """Without a proxy, or past it, the header is never read; behind one only what the proxy itself added is."""
    async with World(trusted_proxies=trusted, limits__network=5) as world:

        async def send(number: int) -> tuple[int, int]:
            said = address(number) + (f", {AWAY}" if peer == PROXY else "")
            return await knock(world, f"person-{number}", "wrong", peer, said)

        assert await until_refused(send, 10) == 5
        assert (await send(50))[0] == 429
        if peer == PROXY:
            assert (await knock(world, "bob", "bob", peer, HOME))[0] == 200


async def test_en_01_the_limit_tells_nothing(fresh: World, browser: Browser) -> None:
    await fresh.server.database.write(set_disabled, fresh.server.journal, "bob", fresh.now, disabled=True)
    page = await browser.follow(await browser.ask())
    seen, counts = set(), set()
    for username in ("alice", "bob", "zlice", "nopassword"):
        statuses = []
        while 429 not in statuses:
            response = await browser.submit(page, "/login", username=username, password="wrong")
            statuses.append(response.status_code)
        counts.add(len(statuses))
        assert "too many attempts" in response.text
        headers = {key: value for key, value in response.headers.items() if key != "content-length"}
        assert int(headers["retry-after"]) == SLOT
        assert "set-cookie" not in headers
        seen.add((str(sorted(headers.items())), without_nonces(response.text, username)))
    assert counts == {11}
    assert len(seen) == 1


async def test_bf_01_a_refusal_costs_no_hash_and_no_line() -> None:
    async with World(passwords__workers=1, passwords__queue=4) as world:
        await until_refused(lambda _: knock(world, "alice", "wrong"), 20)
        await world.provider.application.jobs.run_all()
        count = len(await events(world))
        others = [asyncio.create_task(knock(world, f"person-{number}", "wrong", AWAY)) for number in range(5)]
        await asyncio.sleep(0)
        answers = await asyncio.gather(*(knock(world, "alice", "wrong") for _ in range(300)))
        assert {status for status, _ in answers} == {429}, "the line for the threads is full: they do not join it"
        assert not any(task.done() for task in others)
        assert len(await events(world)) == count
        await asyncio.gather(*others)
        await world.provider.application.jobs.run_all()
        (line,) = [event for event in (await events(world))[count:] if event["event"] == "login.throttled"]
        assert line["detail"] == {"account": 300}


async def test_bf_08_one_name_does_not_fill_all_threads() -> None:
    async with World(passwords__workers=2) as world:
        many = [asyncio.create_task(knock(world, "alice", "wrong")) for _ in range(9)]
        await asyncio.sleep(0)
        assert (await knock(world, "bob", "bob", AWAY))[0] == 200
        assert sum(task.done() for task in many) <= 4, "bob had the second thread"
        await asyncio.gather(*many)


async def test_bf_05_an_operator_unlocks(fresh: World) -> None:
    await until_refused(lambda _: knock(fresh, "alice", "wrong"), 20)
    assert (await knock(fresh, "alice", "alice"))[0] == 429
    done = await fresh.provider.control("user.unlock", username="alice")
    assert done == {"username": "alice", "sub": "alice", "tries": 10, "limit": 10}
    assert (await knock(fresh, "alice", "alice"))[0] == 200
    assert [event["event"] for event in await events(fresh)].count("account.unlocked") == 1


async def events(world: World) -> list[dict[str, object]]:
    return list((await world.provider.control("audit.tail", limit=1000))["events"])
