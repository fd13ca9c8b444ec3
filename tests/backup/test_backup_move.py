"""``idp move``: from SQLite to PostgreSQL in one command; nobody notices but the operator."""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import OFFLINE, refreshed, refused
from support import WEB, Page, Visitor, register, sign_in, userinfo
from support.postgres import blank

from idp.cli.group import run
from idp.control import ControlError
from idp.control.calling import only_opener

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


async def test_everybody_goes_on_after_a_move(homes) -> None:
    here, there = homes("sqlite"), homes("postgres")
    async with here.provider() as provider:
        await register(provider, WEB)
        visitor = Visitor(provider)
        code = (await visitor.sign_on(WEB.request(**OFFLINE))).code
        cookies = dict(visitor.http.cookies.items())
        tokens = await sign_in(provider, WEB, **OFFLINE)
        dead = await sign_in(provider, WEB, "bob", **OFFLINE)
        await WEB.revoke(provider.http, dead["refresh_token"])
        jwks = provider.server.keyring.jwks
        await visitor.aclose()
    before = await here.rows()
    done = await here.move(there)
    after = await there.rows()
    assert done["same"] is True
    assert done["tables"] == {name: len(before.get(name, ())) for name in done["tables"]}
    changed = ("audit", "epoch")  # a line that tells of it, and a number past what anybody cached
    assert {**after, **dict.fromkeys(changed)} == {**before, **dict.fromkeys(changed)}
    assert not list(here.folder.glob(".move*")), "nothing stays behind"
    async with there.provider() as provider:
        assert provider.server.keyring.jwks == jwks
        assert (await userinfo(provider.http, tokens["access_token"])).status_code == 200
        assert (await refreshed(provider, tokens["refresh_token"]))["refresh_token"]
        assert await refused(provider, dead["refresh_token"])
        assert (await WEB.redeem(provider.http, code)).status_code == 200, "a code on its way arrives"
        browser = Visitor(provider)
        browser.http.cookies.update(cookies)
        assert not isinstance(await browser.authorize(WEB.request()), Page)
        await browser.aclose()
        assert (await sign_in(provider, WEB, "bob", **OFFLINE))["access_token"]
    assert await here.rows() == before, "the old one stays as it was"


async def test_a_move_wants_an_empty_database_and_no_server(homes) -> None:
    here, there = homes("sqlite"), homes("postgres")
    async with here.provider():
        pass
    with only_opener(here.folder), pytest.raises(ControlError, match="one process opens the database"):
        await here.move(there)
    async with there.provider():
        pass
    before = await there.rows()
    with pytest.raises(ControlError, match="an empty database is filled"):
        await here.move(there)
    assert await there.rows() == before
    assert not list(here.folder.glob(".move*"))


async def test_from_one_postgresql_to_another_every_server_is_stopped_too(homes) -> None:
    here, there = homes("postgres"), homes("postgres")
    async with here.provider():
        with pytest.raises(ControlError, match="every server is stopped"):
            await here.move(there)
    assert (await here.move(there))["same"] is True


def test_the_command_prints_the_line_to_write_and_no_password(
    cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("IDP_SETTINGS", "IDP_ISSUER", "IDP_DATA_DIR", "IDP_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    assert run(["init", "--issuer", "https://id.example.com"]) == 0
    assert run(["move", "--to", "mysql://x"]) == 2
    with blank(cluster) as target:
        url = target.url.replace("postgres@", "postgres:s3cret@")
        assert run(["move", "--to", url]) == 1, "there is nothing yet"
        assert "idp migrate" in capfd.readouterr().err
        assert run(["migrate"]) == 0
        capfd.readouterr()
        assert run(["keys", "export"]) == 0
        keys = capfd.readouterr().out
        assert run(["move", "--to", url]) == 0
        said = capfd.readouterr()
        assert "s3cret" not in said.out + said.err
        line = next(line for line in said.out.splitlines() if line.startswith("database = "))
        settings = tmp_path / "idp.toml"
        text = settings.read_text().splitlines()
        place = next(n for n, found in enumerate(text) if found.startswith("# database = "))
        text[place] = line.replace("PASSWORD", "s3cret")
        settings.write_text("\n".join(text))
        assert run(["keys", "export"]) == 0
        assert capfd.readouterr().out == keys
        assert run(["check", "--deploy"]) in (0, 1)
