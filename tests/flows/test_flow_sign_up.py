"""prompt=create (Initiating User Registration via OpenID Connect 1.0): an account, and the app's request goes on."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from support import WEB, Answer, Page, Visitor, add_person, claims_of, discovery, register, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio
PASSWORD = "marble lantern drizzle"
NAME = re.compile(r"anna-[0-9]{4}")


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider(sign_up__open=True, sign_up__network=3) as started:
        await register(started, WEB)
        yield started


async def opened(visitor: Visitor) -> Page:
    page = await visitor.authorize(WEB.request(prompt="create", scope="openid profile"))
    assert isinstance(page, Page)
    assert page.id == "sign-up"
    return page


async def named(visitor: Visitor, wish: str = "Anna") -> Page:
    page = await visitor.submit(await opened(visitor), username=wish)
    assert isinstance(page, Page)
    assert page.status == 200
    return page


async def created(visitor: Visitor, password: str = PASSWORD) -> tuple[str, Page | Answer]:
    page = await named(visitor)
    return page.inputs["username"], await visitor.submit(page, password=password, repeat_password=password)


async def test_from_nothing_to_a_token(provider: Provider) -> None:
    visitor = Visitor(provider)
    username, page = await created(visitor)
    assert NAME.fullmatch(username)
    assert isinstance(page, Page)
    assert page.id == "consent"
    answer = await visitor.submit(page, decision="allow")
    assert isinstance(answer, Answer)
    tokens = (await WEB.redeem(provider.http, answer.code)).json()
    told = (await userinfo(provider.http, tokens["access_token"])).json()
    assert told["preferred_username"] == username
    assert told["sub"] == (await claims_of(provider.http, tokens["id_token"]))["sub"]
    # The account is one like any other: with its name and password they come back.
    again = await Visitor(provider).sign_on(WEB.request(), username, PASSWORD)
    assert again.code


async def test_it_is_announced_and_only_where_it_is_on(provider: Provider) -> None:
    assert "create" in (await discovery(provider.http))["prompt_values_supported"]
    async with Provider() as closed:
        await register(closed, WEB)
        assert "create" not in (await discovery(closed.http))["prompt_values_supported"]
        answer = await Visitor(closed).authorize(WEB.request(prompt="create"))
        assert isinstance(answer, Answer)
        assert answer.error == "invalid_request"
        page = await Visitor(closed).authorize(WEB.request())
        assert "Create an account" not in page.text
        assert (await closed.http.get("/sign-up")).status_code == 404


@pytest.mark.parametrize("prompt", ["create none", "none create"])
async def test_none_stands_alone(provider: Provider, prompt: str) -> None:
    answer = await Visitor(provider).authorize(WEB.request(prompt=prompt))
    assert isinstance(answer, Answer)
    assert answer.error == "invalid_request"


async def test_a_new_account_is_a_fresh_sign_in(provider: Provider) -> None:
    """Nobody is asked for the password they chose a moment ago."""
    visitor = Visitor(provider)
    page = await visitor.submit(
        await visitor.authorize(WEB.request(prompt="create login", max_age="0")), username="Anna"
    )
    page = await visitor.submit(page, password=PASSWORD, repeat_password=PASSWORD)
    assert isinstance(page, Page)
    assert page.id == "consent"


async def test_from_the_sign_in_page_and_back(provider: Provider) -> None:
    visitor = Visitor(provider)
    page = await visitor.submit(await visitor.authorize(WEB.request()), decision="create")
    assert isinstance(page, Page)
    assert page.id == "sign-up"
    page = await visitor.submit(page, decision="known")
    assert isinstance(page, Page)
    assert page.id == "login"
    page = await visitor.log_in(page)
    assert isinstance(page, Page)
    assert page.id == "consent"


async def test_a_request_that_asks_for_one_may_be_answered_with_another(provider: Provider) -> None:
    visitor = Visitor(provider)
    page = await visitor.submit(await opened(visitor), decision="known")
    assert isinstance(page, Page)
    assert page.id == "login"
    page = await visitor.log_in(page)
    assert isinstance(page, Page)
    assert page.id == "consent"


async def test_another_name_and_leaving(provider: Provider) -> None:
    visitor = Visitor(provider)
    page = await visitor.submit(await named(visitor), decision="again")
    assert isinstance(page, Page)
    assert "readonly" not in page.text
    answer = await visitor.submit(page, decision="deny")
    assert isinstance(answer, Answer)
    assert answer.error == "access_denied"


async def test_the_new_account_takes_the_place_of_who_was_signed_in(provider: Provider) -> None:
    visitor = Visitor(provider)
    await visitor.sign_on(WEB.request())
    page = await opened(visitor)
    assert "You are signed in as" in page.text
    page = await visitor.submit(page, username="Anna")
    page = await visitor.submit(page, password=PASSWORD, repeat_password=PASSWORD)
    answer = await visitor.submit(page, decision="allow")
    assert isinstance(answer, Answer)
    tokens = (await WEB.redeem(provider.http, answer.code)).json()
    assert (await claims_of(provider.http, tokens["id_token"]))["sub"] != "alice"
    ended = (await provider.control("audit.tail", limit=20))["events"]
    assert [line["detail"]["reason"] for line in ended if line["event"] == "session.ended"] == [
        "another person signed in"
    ]


@pytest.mark.parametrize("wish", ["", "a<b", "an na  x", "-", "a" * 41, "a\u202eb", "anna-"])
async def test_a_name_that_nobody_could_type(provider: Provider, wish: str) -> None:
    visitor = Visitor(provider)
    page = await visitor.submit(await opened(visitor), username=wish)
    assert isinstance(page, Page)
    assert page.status == 400
    assert "readonly" not in page.text


@pytest.mark.parametrize(
    ("password", "repeat"), [("", ""), ("short", "short"), (PASSWORD, "another"), ("password123", "password123")]
)
async def test_a_password_that_will_not_do(provider: Provider, password: str, repeat: str) -> None:
    visitor = Visitor(provider)
    page = await named(visitor)
    username = page.inputs["username"]
    page = await visitor.submit(page, password=password, repeat_password=repeat)
    assert isinstance(page, Page)
    assert (page.status, page.inputs["username"]) == (400, username)
    assert f'value="{password}"' not in page.text or not password
    page = await visitor.submit(page, password=PASSWORD, repeat_password=PASSWORD)
    assert isinstance(page, Page)
    assert page.id == "consent"


async def test_the_name_cannot_be_chosen_after_all(provider: Provider) -> None:
    """It is sealed: what stands in the field is only shown."""
    visitor = Visitor(provider)
    page = await named(visitor)
    await visitor.submit(page, username="root", password=PASSWORD, repeat_password=PASSWORD)
    people = [row["username"] for row in (await provider.control("user.list"))["people"]]
    assert "root" not in people
    assert page.inputs["username"] in people


async def test_digits_that_were_given_meanwhile(provider: Provider) -> None:
    visitor = Visitor(provider)
    page = await named(visitor)
    await add_person(provider, page.inputs["username"])
    page = await visitor.submit(page, password=PASSWORD, repeat_password=PASSWORD)
    assert isinstance(page, Page)
    assert page.status == 409
    other = page.inputs["username"]
    assert NAME.fullmatch(other)
    page = await visitor.submit(page, password=PASSWORD, repeat_password=PASSWORD)
    assert isinstance(page, Page)
    assert page.id == "consent"
    # Who had the name first kept their password.
    assert (await Visitor(provider).sign_on(WEB.request(), other, PASSWORD)).code


async def test_one_network_makes_so_many(provider: Provider) -> None:
    for _ in range(3):
        await created(Visitor(provider))
    visitor = Visitor(provider)
    page = await named(visitor)
    page = await visitor.submit(page, password=PASSWORD, repeat_password=PASSWORD)
    assert isinstance(page, Page)
    assert page.status == 429
    assert "from your network" in page.text
    provider.clock.advance(1201)  # a third of the hour: one more
    page = await visitor.submit(page, password=PASSWORD, repeat_password=PASSWORD)
    assert isinstance(page, Page)
    assert page.id == "consent"


async def test_the_audit_names_the_network(provider: Provider) -> None:
    username, _ = await created(Visitor(provider))
    lines = (await provider.control("audit.tail", limit=10))["events"]
    made = [line["detail"] for line in lines if line["event"] == "account.created" and "network" in line["detail"]]
    assert made == [{"username": username, "network": "127.0.0.0/24"}]
