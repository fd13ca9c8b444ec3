"""A backup made while the server runs, restored on either database: what was there is there, and nothing dead lives."""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import OFFLINE, Rows, backup, refreshed, refused
from support import WEB, Answer, Page, Visitor, claims_of, register, sign_in, userinfo

from idp.store import migrate
from idp.testing import Provider

pytestmark = pytest.mark.anyio

# What a restore adds to or takes away, and what the provider itself wrote as it stopped.
AFTER = ("audit", "epoch", "marks", "codes", "pushed_requests", "redirect_uses")


async def cookie_of(visitor: Visitor) -> dict[str, str]:
    return dict(visitor.http.cookies.items())


async def stops_at(provider: Provider, cookies: dict[str, str]) -> str:
    """Where a browser with these cookies ends up: "app", or a page's id."""
    visitor = Visitor(provider)
    visitor.http.cookies.update(cookies)
    stop = await visitor.authorize(WEB.request())
    await visitor.aclose()
    return stop.id if isinstance(stop, Page) else "app"


@pytest.mark.parametrize("target", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_what_was_there_is_there_on_either_database(kind: str, target: str, homes, tmp_path: Path) -> None:
    """``--keep-sessions``: nothing has happened since."""
    here, there = homes(kind), homes(target)
    file = tmp_path / "b"
    async with here.provider() as provider:
        await register(provider, WEB)
        visitor = Visitor(provider)
        code = (await visitor.sign_on(WEB.request(**OFFLINE))).code
        cookies = await cookie_of(visitor)
        await visitor.aclose()
        tokens = await sign_in(provider, WEB, **OFFLINE)
        newer = await refreshed(provider, tokens["refresh_token"])
        jwks = provider.server.keyring.jwks
        await provider.control("registration.token.add", uses=3, lifetime=86_400, name="ci")
        assert (await WEB.call(provider.http, "/par", WEB.request())).status_code == 201
        made = await backup(provider, file)
    assert made["size"] == file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600
    written = await here.rows()
    done = await there.restore(file, keep_sessions=True)
    assert (done["rows"], done["sessions_ended"], done["grants_revoked"]) == (made["rows"], 0, 0)
    assert without(await there.rows(), AFTER) == without(written, AFTER)
    assert len(written["pushed_requests"]) == 1
    assert "pushed_requests" not in await there.rows(), "it might have been answered after the backup"
    async with there.provider() as provider:
        assert provider.server.keyring.jwks == jwks
        assert (await userinfo(provider.http, newer["access_token"])).status_code == 200
        assert (await claims_of(provider.http, newer["access_token"]))["sub"] == "alice"
        assert await stops_at(provider, cookies) == "app"
        assert [one["name"] for one in (await provider.control("registration.token.list"))["tokens"]] == ["ci"]
        again = await refreshed(provider, newer["refresh_token"])
        assert again["refresh_token"] != newer["refresh_token"]
        # The code might have been redeemed after the backup: it buys nothing either way.
        assert (await WEB.redeem(provider.http, code)).status_code == 400
        events = {event["event"] for event in (await provider.control("audit.tail", limit=100))["events"]}
        assert "backup.restored" in events


def without(rows: Rows, names: tuple[str, ...]) -> Rows:
    return {name: values for name, values in rows.items() if name not in names}


async def test_ft_12_what_was_ended_after_the_backup_stays_dead(kind: str, homes, tmp_path: Path) -> None:
    """Revoked, signed out, replayed, redeemed: the backup knows none of it, so everything that could be alive ends."""
    here, there = homes(kind), homes(kind)
    file = tmp_path / "b"
    async with here.provider() as provider:
        await register(provider, WEB)
        await provider.apply(TOLD)
        visitor = Visitor(provider)
        unspent = (await visitor.sign_on(WEB.request(**OFFLINE))).code
        cookies = await cookie_of(visitor)
        signed_out = await sign_in(provider, WEB, **OFFLINE)
        revoked = await sign_in(provider, WEB, "bob", **OFFLINE)
        told = Visitor(provider)
        await told.sign_on(WEB.request(client_id="told", redirect_uri="https://told.test/cb"))
        await told.aclose()
        kid = (await provider.control("keys.list"))["keys"][0]["kid"]
        epoch = provider.server.registry.epoch
        await provider.control("registration.token.add", uses=3, lifetime=86_400)
        await backup(provider, file)
        # The day after the backup.
        assert (await WEB.redeem(provider.http, unspent)).status_code == 200
        await WEB.revoke(provider.http, revoked["refresh_token"])
        await provider.control("user.disable", username="bob")
        await provider.control("keys.revoke", kid=kid)
        await visitor.aclose()
    done = await there.restore(file)
    assert done["sessions_ended"] == 4
    assert done["grants_revoked"] == 4
    assert done["logouts_queued"] == 1
    assert kid in [key["kid"] for key in done["keys"]], "it is back, and the operator is told so"
    async with there.provider() as provider:
        assert provider.server.registry.epoch > epoch
        for tokens in (signed_out, revoked):
            assert await refused(provider, tokens["refresh_token"])
            assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
            assert await WEB.introspect(provider.http, tokens["access_token"]) == {"active": False}
        assert (await WEB.redeem(provider.http, unspent)).status_code == 400
        assert await stops_at(provider, cookies) == "login"
        deliveries = (await provider.control("logout.deliveries"))["deliveries"]
        assert [(row["client_id"], row["account_id"]) for row in deliveries] == [("told", "alice")]
        assert (await provider.control("registration.token.list"))["tokens"] == [], "it may have been used up since"
        # Everybody can begin anew.
        assert (await sign_in(provider, WEB, **OFFLINE))["refresh_token"]


TOLD = """
[[clients]]
client_id = "told"
client_secret = "told-secret-0123456789abcdef"
redirect_uris = ["https://told.test/cb"]
backchannel_logout_uri = "https://told.test/bye"
scope = "openid"
"""


async def test_a_key_revoked_in_the_database_that_is_replaced_stays_revoked(kind: str, homes, tmp_path: Path) -> None:
    home = homes(kind)
    file = tmp_path / "b"
    async with home.provider() as provider:
        lives = (await provider.control("keys.list"))["keys"]
        kid = next(life["kid"] for life in lives if life["state"] == "signing")
        await backup(provider, file)
        await provider.control("keys.revoke", kid=kid)
    done = await home.restore(file, replace=True)
    assert kid not in [key["kid"] for key in done["keys"]]
    async with home.provider() as provider:
        states = {life["kid"]: life["state"] for life in (await provider.control("keys.list"))["keys"]}
        assert states[kid] == "revoked"
        assert sorted(states.values()).count("signing") == 2
        assert kid not in provider.server.keyring.jwks.decode()
        assert (await provider.token_for("alice")).count(".") == 2


async def test_a_key_that_signed_on_after_the_backup_is_published_for_its_last_token(kind, homes, tmp_path) -> None:
    """The mark stored with a key is the backup's; tokens it signed afterwards expire later (decision 10)."""
    here, there = homes(kind), homes(kind)
    file = tmp_path / "b"
    async with here.provider() as provider:
        await backup(provider, file)
        here.clock.advance(6 * 3600)
        token = await provider.token_for("alice")
        expires = int((await claims_of(provider.http, token))["exp"])
    await there.restore(file)
    async with there.provider() as provider:
        until = [life["tokens_until"] for life in (await provider.control("keys.list"))["keys"] if life["tokens_until"]]
        assert until
        assert min(until) >= expires


async def test_a_backup_is_marked_and_told(kind: str, homes, tmp_path: Path) -> None:
    home = homes(kind)
    async with home.provider() as provider:
        home.clock.advance(60)
        await backup(provider, tmp_path / "b")
        (told,) = [
            event for event in (await provider.control("audit.tail"))["events"] if event["event"] == "backup.made"
        ]
        assert told["detail"]["size"] == (tmp_path / "b").stat().st_size
    assert ("backup", home.clock()) in (await home.rows())["marks"]
    there = homes(kind)
    await there.restore(tmp_path / "b")
    assert ("backup", home.clock()) in (await there.rows())["marks"], "it is the newest one there is"


async def test_a_backup_of_an_older_schema_is_restored_and_brought_up(kind: str, homes, tmp_path: Path) -> None:
    from old_backup import backup_of_0001

    here, there = homes("sqlite"), homes(kind)
    file = tmp_path / "b"
    async with here.provider() as provider:
        await register(provider, WEB)
        tokens = await sign_in(provider, WEB, **OFFLINE)
    await backup_of_0001(here, file)
    done = await there.restore(file, keep_sessions=True)
    assert done["schema"] == "0001"
    async with there.provider() as provider:
        assert await provider.server.database.read(migrate.current) == migrate.HEAD
        assert (await refreshed(provider, tokens["refresh_token"]))["access_token"]
        visitor = Visitor(provider)
        assert isinstance(await visitor.sign_on(WEB.request(), "bob"), Answer)
        await visitor.aclose()


async def test_replacing_leaves_nothing_of_what_was_there(kind: str, homes, tmp_path: Path) -> None:
    home = homes(kind)
    async with home.provider() as provider:
        await backup(provider, tmp_path / "b")
        await register(provider, WEB)
        late = await sign_in(provider, WEB, **OFFLINE)
    await home.restore(tmp_path / "b", replace=True)
    async with home.provider() as provider:
        assert await provider.server.client("web") is None
        await register(provider, WEB)
        assert await refused(provider, late["refresh_token"])
