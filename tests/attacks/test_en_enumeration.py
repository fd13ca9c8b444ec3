"""EN: who exists, and in what state, cannot be told from words, headers or time."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import pytest
from attack_support import Browser, World, answer_of, field_of
from attack_world import API

from idp.store.accounts import set_disabled

pytestmark = pytest.mark.anyio

# One name of each kind of failure; all of one length, so that an echoed name does not change the size.
FAILURES = {
    "unknown": ("zlice-0000", "wrong-password"),
    "wrong password": ("alice", "wrong-password"),
    "no password set": ("nopassword", "wrong-password"),
    "disabled, wrong password": ("bob", "wrong-password"),
    "disabled, right password": ("bob", "bob"),
    "a very long name": ("a" * 300, "wrong-password"),
    "very long password": ("alice", "p" * 1025),
    "upper case": ("ALICE", "alice"),
    "space after": ("alice ", "alice"),
}


def without_nonces(text: str, username: str) -> str:
    text = re.sub(r'name="t" value="[^"]+"', "t", text)
    return text.replace(f'value="{username}"', 'value=""') if username else text


async def test_en_01_login_answers_are_the_same(fresh: World, browser: Browser) -> None:
    await fresh.server.database.write(set_disabled, fresh.server.journal, "bob", fresh.now, disabled=True)
    page = await browser.follow(await browser.ask())
    seen = {}
    for name, (username, password) in FAILURES.items():
        response = await browser.submit(page, "/login", username=username, password=password)
        headers = {key: value for key, value in response.headers.items() if key != "content-length"}
        seen[name] = (response.status_code, headers, without_nonces(response.text, username))
        assert "set-cookie" not in response.headers
    expected = seen["unknown"]
    assert expected[0] == 401
    for name, got in seen.items():
        assert got == expected, name


async def test_en_01_empty_fields_ask_no_account(world: World, browser: Browser) -> None:
    page = await browser.follow(await browser.ask())
    texts = set()
    for username in ("alice", "zlice", "nopassword"):
        response = await browser.submit(page, "/login", username=username, password="")
        texts.add((response.status_code, without_nonces(response.text, username)))
    assert len(texts) == 1
    assert (await browser.submit(page, "/login", username="", password="alice")).status_code in (400, 401)


async def test_en_01_at_the_password_exchange(fresh: World, browser: Browser) -> None:
    await fresh.server.database.write(set_disabled, fresh.server.journal, "bob", fresh.now, disabled=True)
    answers = set()
    for username, password in FAILURES.values():
        response = await browser.http.post("/api/token/", json={"username": username, "password": password})
        answers.add((response.status_code, response.text, *sorted(response.headers.items())))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401


async def test_en_03_making_an_account_tells_nobodys_name() -> None:
    """There is no mail that could tell the owner, so every wish for a name is met: with digits behind it."""
    async with World(sign_up__open=True) as world:
        seen = []
        for wish in ("alice", "zlice"):
            browser = world.browser()
            page = await browser.follow(await browser.ask(prompt="create"))
            response = await browser.submit(page, "/sign-up", username=wish)
            given = re.compile(rf'value="{wish}-[0-9]{{4}}"')
            assert len(given.findall(response.text)) == 1, response.text
            headers = {key: value for key, value in response.headers.items() if key != "content-length"}
            seen.append((response.status_code, headers, given.sub("", without_nonces(response.text, ""))))
        assert seen[0] == seen[1]
        assert seen[0][0] == 200


def auc(one: Sequence[float], other: Sequence[float]) -> float:
    """How well time tells the two apart: 0.5 not at all, 1.0 always (rank statistic, either direction)."""
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks = sum(position for position, (_, group) in enumerate(ranked, 1) if group == 0)
    area = (ranks - len(one) * (len(one) + 1) / 2) / (len(one) * len(other))
    return max(area, 1 - area)


async def test_en_02_login_time(world: World, browser: Browser) -> None:
    """Interleaved; where chance carries the first look over the limit, more samples decide."""
    page = await browser.follow(await browser.ask())
    form = {"t": field_of(page), "password": "wrong-password"}
    times: dict[str, list[float]] = {"alice": [], "zlice": []}
    found = 1.0
    for _ in range(3):
        for turn in range(140):
            for username in sorted(times, reverse=bool(turn % 2)):
                started = time.perf_counter()
                response = await browser.http.post("/login", data={**form, "username": username})
                times[username].append(time.perf_counter() - started)
                assert response.status_code == 401
        found = auc(times["alice"], times["zlice"])
        if found <= 0.55:
            return
    raise AssertionError(f"AUC {found:.3f}: time tells known from unknown")


async def test_en_02_every_failure_costs_the_same_hash(fresh: World, browser: Browser) -> None:
    await fresh.server.database.write(set_disabled, fresh.server.journal, "bob", fresh.now, disabled=True)
    best = dict.fromkeys(FAILURES, 60.0)
    for turn in range(28):
        fresh.provider.clock.advance(3_000)  # no limit comes near
        form = {"t": field_of(await browser.follow(await browser.ask()))}
        for name, (username, password) in FAILURES.items():
            started = time.perf_counter()
            response = await browser.http.post("/login", data={**form, "username": username, "password": password})
            best[name] = min(best[name], time.perf_counter() - started)
            assert response.status_code == 401
        usual = best["unknown"]
        if turn >= 6 and all(0.75 < taken / usual < 1.25 for taken in best.values()):
            return
    raise AssertionError(f"at best {best} s")


async def test_en_04_state_of_the_account_is_not_told(fresh: World, browser: Browser) -> None:
    """Disabled: with a wrong or the right password the page says what it says of an unknown name."""
    page = await browser.follow(await browser.ask())
    await fresh.server.database.write(set_disabled, fresh.server.journal, "alice", fresh.now, disabled=True)
    texts = set()
    for username, password in (("alice", "alice"), ("alice", "wrong"), ("zlice", "alice")):
        response = await browser.submit(page, "/login", username=username, password=password)
        texts.add(without_nonces(response.text, username))
    assert len(texts) == 1


async def test_en_06_token_existence(fresh: World, browser: Browser) -> None:
    issued = await browser.tokens()
    for_api = (await browser.tokens(scope="openid orders", resource=API))["access_token"]
    others = (await browser.tokens("web2"))["access_token"]
    expired = (await browser.tokens())["access_token"]
    fresh.provider.clock.advance(400)
    tokens = [expired, others, for_api, "unknown", "rt." + "A" * 22 + "." + "A" * 43, issued["id_token"]]
    answers = set()
    for token in tokens:
        response = await fresh.post("/introspect", {"token": token}, "web2")
        answers.add((response.status_code, response.text, *sorted(response.headers.items())))
    assert len(answers) == 1
    assert next(iter(answers))[1] == '{"active":false}'
    revoked = set()
    async with fresh.unchanged():
        for token in (*tokens, issued["refresh_token"]):
            response = await fresh.post("/revoke", {"token": token}, "web2")
            revoked.add((response.status_code, response.text, *sorted(response.headers.items())))
    assert len(revoked) == 1
    assert next(iter(revoked))[0] == 200


async def test_en_08_nothing_counts_up(fresh: World, browser: Browser) -> None:
    subjects = []
    for name in ("first", "second", "third"):
        subjects.append((await fresh.provider.control("user.add", username=name, password="x"))["sub"])
    assert all(len(subject) >= 22 for subject in subjects)
    assert len({subject[:4] for subject in subjects}) == 3
    references = set()
    for _ in range(3):
        response = await browser.ask(redirect_uri="https://evil.example/")
        found = re.search(r'id="error-reference">([^<]+)<', response.text)
        assert found is not None
        references.add(found.group(1)[:3])
    assert len(references) == 3
    assert "code" not in answer_of(await browser.ask(prompt="none"))
