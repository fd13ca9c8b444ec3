"""A ``[[people]]`` table: how a person signs in, and every standard claim of OpenID Connect Core 5.1."""

from __future__ import annotations

import datetime
import re
import unicodedata
import zoneinfo
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from idp.config.problems import quoted
from idp.config.reading import Report, read_struct
from idp.config.toml_source import Place
from idp.manifest_hashes import hash_problem
from idp.protocol.registration_uris import web_uri_problem

_MAX_PASSWORD = 1024
_BIRTHDATE = re.compile(r"(\d{4})(?:-(\d\d)-(\d\d))?", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*", re.ASCII)
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,255}")
_PHONE = re.compile(r"\+[0-9][0-9 ().-]{3,30}(;ext=[0-9]{1,10})?", re.ASCII)
_URI_CLAIMS = ("profile", "picture", "website")
_HINTS = {
    "updated_at": "take the line out: the server keeps it",
    "id": "write sub",
    "claims": "write the claims directly into [[people]]",
}


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One person to create or change. ``sub`` None lets the server choose; claims in the standard's order.

    Without any password, and with ``disabled`` None, what the person has stays.
    """

    username: str
    sub: str | None = None
    password: str | None = None
    password_hash: str | None = None
    disabled: bool | None = None
    claims: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Person(username={self.username!r}, sub={self.sub!r}, claims={sorted(self.claims)})"


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    formatted: str | None = None
    street_address: str | None = None
    locality: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None


class _Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    middle_name: str | None = None
    nickname: str | None = None
    preferred_username: str | None = None
    profile: str | None = None
    picture: str | None = None
    website: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    gender: str | None = None
    birthdate: str | None = None
    zoneinfo: str | None = None
    locale: str | None = None
    phone_number: str | None = None
    phone_number_verified: bool | None = None
    address: Address | None = None


class PersonTable(_Claims, frozen=True, kw_only=True):
    """A ``[[people]]`` table as it is written."""

    username: Annotated[str, Meta(min_length=1, max_length=255)]
    sub: Annotated[str, Meta(pattern=r"^[!-~]{1,64}$")] | None = None
    password: Annotated[str | None, Meta(extra={"secret": True})] = None
    password_hash: Annotated[str | None, Meta(extra={"secret": True})] = None
    password_file: str | None = None
    disabled: bool | None = None


CLAIM_ORDER = _Claims.__struct_fields__


def read_person(table: Mapping[str, Any], report: Report, place: Place, folder: Path) -> Person | None:
    """One table; None after telling ``report`` what is wrong. Relative files are seen from ``folder``."""
    before = len(report.problems)
    read = read_struct(PersonTable, table, report, place, kind="name in [[people]]", hints=_HINTS)
    if read is None:
        return None
    _check_username(read.username, report, (*place, "username"))
    _check_claims(read, report, place)
    password = _password(read, report, place, folder)
    if len(report.problems) > before:
        return None
    claims = {name: getattr(read, name) for name in CLAIM_ORDER}
    return Person(
        username=read.username,
        sub=read.sub,
        password=password,
        password_hash=read.password_hash,
        disabled=read.disabled,
        claims={name: msgspec.to_builtins(value) for name, value in claims.items() if value is not None},
    )


def read_secret_file(path: Path, report: Report, place: Place) -> str | None:
    """The text of a small file without its last line break; None after a report."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        text, received = "", f"{path}: {reason}"
    else:
        received = f"{path}: {len(data)} bytes"
    if 0 < len(text) <= 4096:
        return text
    report.add(
        place,
        rule="a secret's file must hold it",
        received=received,
        expected="a UTF-8 file of 1 to 4096 characters",
        mend="correct the path or write the file",
    )
    return None


def username_problem(username: str) -> str | None:
    """What makes a user name unfit, in a few words, or None."""
    if username != username.strip():
        return "no space before or after"
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in username):
        return "no invisible characters"
    if unicodedata.normalize("NFC", username) != username:
        return "composed characters (Unicode NFC)"
    return None


def _check_username(username: str, report: Report, place: Place) -> None:
    expected = username_problem(username)
    if expected is not None:
        report.add(
            place,
            rule="a user name can be typed again",
            received=quoted(username),
            expected=expected,
            mend="correct username",
        )


def _password(read: PersonTable, report: Report, place: Place, folder: Path) -> str | None:
    given = [name for name in ("password", "password_hash", "password_file") if getattr(read, name) is not None]
    if len(given) > 1:
        report.add(
            (*place, given[1]),
            rule="one way to give a password",
            received=" and ".join(given),
            expected="one of them",
            mend="keep password_hash or password_file",
        )
        return None
    problem = None if read.password_hash is None else hash_problem(read.password_hash)
    if problem is not None:
        report.add_problem((*place, "password_hash"), problem)
    password = read.password
    if read.password_file is not None:
        password = read_secret_file(folder / read.password_file, report, (*place, "password_file"))
    if password is not None and not 0 < len(password) <= _MAX_PASSWORD:
        report.add(
            (*place, given[0]),
            rule="a password has a length",
            received=f"{len(password)} characters",
            expected=f"1 to {_MAX_PASSWORD}",
            mend="correct it",
        )
    return password


def _check_claims(read: _Claims, report: Report, place: Place) -> None:
    for name, fits, expected in _CLAIM_CHECKS:
        value = getattr(read, name)
        if value is not None and not fits(value):
            report.add(
                (*place, name),
                rule=f"{name} (OpenID Connect Core 5.1)",
                received=quoted(value),
                expected=expected,
                mend=f"correct {name}",
            )


def _is_date(text: str) -> bool:
    found = _BIRTHDATE.fullmatch(text)
    if found is None:
        return False
    year, month, day = found.groups()
    try:
        # 0000 stands for a year that is not told; 2000 had a 29 February.
        datetime.date(int(year) or 2000, int(month or 1), int(day or 1))
    except ValueError:
        return False
    return True


def _is_zone(text: str) -> bool:
    try:
        return bool(zoneinfo.ZoneInfo(text))
    except zoneinfo.ZoneInfoNotFoundError:
        # A machine without the time-zone database can still tell a name from a slip.
        return re.fullmatch(r"[A-Za-z_+-]+(/[A-Za-z0-9_+-]+){0,2}", text) is not None and not zoneinfo.TZPATH
    except (ValueError, OSError):
        return False


def _is_web(text: str) -> bool:
    return web_uri_problem(text) is None


_CLAIM_CHECKS: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    *((name, _is_web, "an https address") for name in _URI_CLAIMS),
    ("email", lambda text: _EMAIL.fullmatch(text) is not None, "name@host"),
    ("birthdate", _is_date, "YYYY-MM-DD, 0000-MM-DD or YYYY"),
    ("zoneinfo", _is_zone, "a zone such as Europe/Berlin"),
    ("locale", lambda text: _LANGUAGE.fullmatch(text) is not None, "a language such as de-CH"),
    ("phone_number", lambda text: _PHONE.fullmatch(text) is not None, "+49 30 123456"),
)
