"""``idp registration``, and apps that registered themselves in ``idp client list``, ``export`` and ``apply``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_support import Idp

from idp.app import DATABASE_FILE
from idp.protocol.client import Client
from idp.settings import SettingsError, load
from idp.store.audit import Journal
from idp.store.database import Database
from idp.store.registrations import NewClient, register


@pytest.fixture
def installed(idp: Idp, here: Path) -> Path:
    assert idp("init", "--issuer", "https://id.example.com").status == 0
    assert idp("migrate").status == 0
    return here


def test_tokens_are_made_listed_and_removed(idp: Idp, installed: Path) -> None:
    made = idp("registration", "token", "add", "--uses", "3", "--lifetime", "12h", "--name", "partners")
    assert made.status == 0
    assert re.fullmatch(r"ia\.[A-Za-z0-9_-]{43}\n", made.out)
    assert "partners: for 3 apps, 12 h long" in made.err
    assert 'mode = "token"' in made.err, "registration is off: it says so"
    listed = idp("registration", "token", "list")
    assert re.search(r"partners +3 +.*in 1[12] h", listed.out)
    assert made.out.strip() not in listed.out
    again = idp("registration", "token", "add", "--name", "partners")
    assert (again.status, "each name once" in again.err) == (1, True)
    assert idp("registration", "token", "remove", "partners").status == 0
    gone = idp("registration", "token", "remove", "partners")
    assert (gone.status, "idp registration token list" in gone.err) == (1, True)
    assert "idp registration token add" in idp("registration", "token", "list").err
    told = idp("audit", "tail").out
    assert "registration.token_added" in told
    assert "registration.token_removed" in told


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--uses", "0"), 1, "1 to 1000000"),
        (("--lifetime", "soon"), 2, "write 30m, 12h, 7d or seconds"),
        (("--lifetime", "11y"), 2, "write 30m, 12h, 7d or seconds"),
        (("--lifetime", "4000d"), 1, "lifetime of an initial access token"),
        (("--name", "a b"), 1, "a name that can be typed"),
    ],
)
def test_what_makes_no_sense_is_refused(
    idp: Idp, installed: Path, options: tuple[str, ...], status: int, said: str
) -> None:
    refused = idp("registration", "token", "add", *options)
    assert (refused.status, refused.out) == (status, "")
    assert said in refused.err


def test_where_an_app_comes_from_is_listed_and_it_is_exported_when_asked(idp: Idp, installed: Path) -> None:
    found = Client(client_id="itself", redirect_uris=("https://itself.test/cb",), registered=True, software_id="s1",
                   token_endpoint_auth_method="none")  # fmt: skip
    database = Database(next(installed.rglob(DATABASE_FILE)))
    database.write_now(register, Journal("test"), NewClient(found, None, None, 1_800_000_000.0))
    database.close()
    assert re.search(r"^itself .*registered$", idp("client", "list").out, re.MULTILINE)
    assert "itself" not in idp("export").out
    text = idp("export", "--registered").out
    assert 'software_id = "s1"' in text
    (installed / "taken.toml").write_text(text)
    planned = idp("apply", "taken.toml", "--plan")
    assert "registered: true -> false" in planned.out
    assert idp("apply", "taken.toml").status == 0
    assert "registered" not in idp("client", "list").out
    (installed / "claims.toml").write_text(text + "registered = true\n")
    refused = idp("apply", "claims.toml")
    assert refused.status == 2
    assert "the operator's" in refused.err


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("SCOPES", "openid,two words", "a scope is one word (RFC 6749 3.3)"),
        ("RESOURCES", "api", "a resource is an absolute URI without a fragment (RFC 8707 2)"),
        ("RESOURCES", "https://api.test/#x", "a resource is an absolute URI without a fragment (RFC 8707 2)"),
        ("GRANT_TYPES", ",", "an app has a grant"),
    ],
)
def test_settings_that_could_never_match_stop_the_start(variable: str, value: str, rule: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(None, {f"IDP_REGISTRATION_{variable}": value}, "dev")
    assert [problem.rule for problem in refused.value.problems] == [rule]
