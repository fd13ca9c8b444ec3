"""``idp user import FILE.csv``: what is taken, what is rejected and why, over the socket and without a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest
from cli_support import Idp
from werkzeug.security import generate_password_hash

from idp.testing import running_server

HASH = generate_password_hash("correct horse", "pbkdf2:sha256:1000")
HEADER = "username,password_hash,email,name"


def write(here: Path, lines: Sequence[str], header: str = HEADER, *, encoding: str = "utf-8") -> str:
    (here / "people.csv").write_bytes("\n".join([header, *lines, ""]).encode(encoding))
    return "people.csv"


def imported(idp: Idp, here: Path, lines: Sequence[str], *options: str, header: str = HEADER) -> str:
    said = idp("user", "import", write(here, lines, header), *options)
    assert said.status == 0, said
    return said.out


def test_people_of_a_file_are_added_and_a_second_time_changes_nothing(idp: Idp, here: Path) -> None:
    lines = [f"u{number},{HASH},u{number}@example.com,Person {number}" for number in range(2_000)]
    assert "2000 new, 0 rejected (dry run" in imported(idp, here, lines, "--dry-run")
    assert idp("user", "list").out == ""
    assert imported(idp, here, lines) == "2000 new, 0 rejected\n"
    assert imported(idp, here, lines) == "0 new, 2000 here already, 0 rejected\n"
    assert imported(idp, here, [*lines, "late,,,"]) == "1 new, 2000 here already, 0 rejected\n"
    events = [json.loads(line) for line in idp("audit", "tail", "--json", "-n", "500").out.splitlines()]
    batches = [event for event in events if event["event"] == "accounts.imported"]
    assert [event["detail"]["created"] for event in batches[-2:]] == [100, 1]
    assert {event["detail"]["source"] for event in batches} == {"csv"}
    created = [event for event in events if event["event"] == "account.created"]
    assert created[-1]["detail"] == {"username": "late", "source": "csv"}
    assert len(created) + len(batches) == len(events)


def test_while_a_server_runs_they_sign_in_at_once_and_every_column_arrives(idp: Idp, here: Path) -> None:
    header = "login;hash;sub;email;email_verified;address.locality;address.formatted;disabled;shoe size;birthdate"
    lines = [
        f'zoë;{HASH};z-1;zoe@example.com;yes;Köln;"A road 1\n50667 Köln";0;38;1999-12-31',
        f"off;{HASH};;off@example.com;;;;true;44;",
        "bare;!unusable;;;;;;;;",
    ]
    with running_server(data_dir=here / ".idp") as server:
        options = ("--map", "username=login", "--map", "password_hash=hash", "--ignore", "shoe size")
        assert imported(idp, here, lines, *options, header="\ufeff" + header) == "3 new, 0 rejected\n"
        people = {person["username"]: person for person in server.control("user.list")["people"]}
        assert people["zoë"]["sub"] == "z-1"
        assert people["zoë"]["claims"] == {
            "email": "zoe@example.com",
            "email_verified": True,
            "birthdate": "1999-12-31",
            "address": {"formatted": "A road 1\n50667 Köln", "locality": "Köln"},
        }
        assert (people["off"]["disabled"], people["bare"]["disabled"]) == (True, False)
        for name, status in (("zoë", 200), ("off", 401), ("bare", 401)):
            form = {"username": name, "password": "correct horse"}
            assert httpx2.post(f"{server.issuer}/api/token/", json=form).status_code == status, name
        again = imported(idp, here, lines, *options, header=header)
        assert again == "0 new, 3 here already, 0 rejected\n"


def test_a_newer_hash_is_taken_until_the_person_has_signed_in(idp: Idp, here: Path) -> None:
    newer = generate_password_hash("newer", "pbkdf2:sha256:1000")
    imported(idp, here, [f"ann,{HASH},,", f"ben,{HASH},,"])
    with running_server(data_dir=here / ".idp") as server:

        def signs_in(name: str, password: str) -> bool:
            form = {"username": name, "password": password}
            return httpx2.post(f"{server.issuer}/api/token/", json=form).status_code == 200

        assert signs_in("ann", "correct horse")
        out = imported(idp, here, [f"ann,{newer},,", f"ben,{newer},,"])
        assert out == "0 new, 1 with a newer hash, 1 here already, 0 rejected\n"
        assert signs_in("ann", "correct horse")
        assert not signs_in("ann", "newer")
        assert signs_in("ben", "newer")


REJECTED = [
    (",h,,", "username: it is empty"),
    (f"{'x' * 256},,,", "username"),
    (" ann,,,", "no space before or after"),
    ("an\0n,,,", "username: it holds the character '\\x00'"),
    ("an\u200bn,,,", "no invisible characters"),
    ("ann,plain,,", "one of pbkdf2_sha256$"),
    (f"ann,md5$salt${'0' * 32},,", "billions of guesses"),
    (f"ann,pbkdf2_sha256$1${'s' * 300}$x,,", "at most 255 characters"),
    ("ann,,nobody,", "name@host"),
    ("ann,,,,", "it has 5 columns, the first line has 4"),
    ("old,,new@example.com,", "here already, with another e-mail"),
    ("OLD,,,", "differs in case only"),
    ("ann,,Old@example.com,", "e-mail address 'old@example.com' is that of somebody here ('old')"),
    ("First,,,", "the user name 'First' is that of line 2 ('First')"),
    ("FIRST,,,", "is that of line 2 ('First', which differs in case only)"),
    ("ann,,FIRST@example.com,", "the e-mail address 'first@example.com' is that of line 2 ('First')"),
]


def test_each_rejected_row_is_named_with_its_reason_and_nothing_is_written(idp: Idp, here: Path) -> None:
    imported(idp, here, ["old,,old@example.com,"])
    lines = ["First,,first@example.com,", *(line for line, _ in REJECTED), "last,,last@example.com,"]
    dry = idp("user", "import", write(here, lines), "--dry-run")
    assert dry.status == 1
    told = [found for found in dry.out.splitlines() if found.startswith("line ")]
    for number, (found, (_, reason)) in enumerate(zip(told, REJECTED, strict=True), 3):
        assert found.startswith(f"line {number}: "), found
        assert reason in found
    assert f"2 new, {len(REJECTED)} rejected (dry run" in dry.out
    refused = idp("user", "import", "people.csv")
    assert refused.status == 1
    assert f"{len(REJECTED)} rejected of {len(REJECTED) + 2}" in refused.err
    assert [row.split()[0] for row in idp("user", "list").out.splitlines()[1:]] == ["old"]
    assert "2 new, " in imported(idp, here, lines, "--skip-rejected")
    assert [row.split()[0] for row in idp("user", "list").out.splitlines()[1:]] == ["First", "last", "old"]


def test_a_dry_run_lists_every_rejected_row_and_a_real_one_the_first(idp: Idp, here: Path) -> None:
    lines = [f"u{number},bad,," if number % 2 else f"u{number},,," for number in range(100)]
    dry = idp("user", "import", write(here, lines), "--dry-run")
    assert [found.split(":")[0] for found in dry.out.splitlines()[:50]] == [f"line {n}" for n in range(3, 103, 2)]
    real = idp("user", "import", "people.csv", "--skip-rejected")
    assert real.status == 0
    assert real.out.count("line ") == 20
    assert "and 30 more: --dry-run lists all" in real.err


def test_a_row_that_is_not_utf_8_is_rejected_alone(idp: Idp, here: Path) -> None:
    write(here, ["ann,,,Ann", "böb,,,Bob"], encoding="latin-1")
    said = idp("user", "import", "people.csv", "--skip-rejected")
    assert "line 3: username: it holds a byte that is not UTF-8" in said.out
    assert "1 new, 1 rejected" in said.out


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        ("username,password", (), "import hashes: name the column password_hash"),
        ("username,emial", (), "--map email=emial, or leave it out with --ignore emial"),
        ("email", (), "the column username"),
        ("username,email,email", (), "each column once"),
        ("username", ("--map", "email=mail"), "the column mail"),
        ("username", ("--sub", "x:{id}"), "the column id"),
        ("username", ("--map", "mail=email"), "OURS one of"),
        ("username", ("--map", "email"), "OURS=THEIRS is needed"),
        ("username", ("--django", "sqlite:///x"), "one source is needed"),
        ('user"name', (), "CSV file"),
    ],
)
def test_a_header_or_option_that_is_not_understood_stops_before_any_row(
    idp: Idp, here: Path, header: str, options: tuple[str, ...], said: str
) -> None:
    answer = idp("user", "import", write(here, ["ann"], header), *options)
    assert answer.status == 2
    assert said in answer.err
    assert not (here / ".idp").exists()


def test_no_file_and_an_empty_one_are_told(idp: Idp, here: Path) -> None:
    assert "No such file" in idp("user", "import", "nowhere.csv").err
    (here / "empty.csv").write_text("")
    assert "an empty file" in idp("user", "import", "empty.csv").err
    assert "one source is needed" in idp("user", "import").err


def test_sub_is_made_from_a_template_and_stays(idp: Idp, here: Path) -> None:
    lines = ["7,ann,a", "8,bob,b", ",eve,e", "7,abe,c"]
    said = idp("user", "import", write(here, lines, "id,username,name"), "--sub", "shop:{id}", "--skip-rejected")
    assert "line 4: sub: the column id is empty" in said.out
    assert "line 5: sub 'shop:7' is that of line 2 ('ann')" in said.out
    assert "shop:7" in idp("user", "list").out
    again = idp("user", "import", write(here, lines[:2], "id,username,name"), "--sub", "store:{id}")
    assert "with sub shop:7 and not store:7" in again.out
    assert again.status == 1
