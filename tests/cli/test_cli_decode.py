"""``idp decode``: what a beginner sees, offline."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_support import Idp, Issuer

from idp.cli.claims import CLAIMS, explain_claim
from idp.cli.decode import flipped
from idp.cli.say import moment, printable, span


def test_three_parts_each_claim_explained_and_the_notice(idp: Idp, issuer: Issuer) -> None:
    token = issuer.token()
    said = idp("decode", token)
    assert said.status == 0
    assert said.out.startswith(token)
    for heading in ("1 header", "2 payload", "3 signature"):
        assert heading in said.out
    assert "SIGNED, NOT ENCRYPTED" in said.out
    for name in ("iss", "sub", "aud", "client_id", "jti", "scope"):
        [line] = [line for line in said.out.splitlines() if line.split()[:1] == [name]]
        assert CLAIMS[name] in line
    [expires] = [line for line in said.out.splitlines() if line.split()[:1] == ["exp"]]
    assert "in 4 min 59 s" in expires or "in 5 min" in expires
    assert "it lives 5 min" in expires
    assert "an access token (RFC 9068)" in said.out
    assert "idp decode --flip" in said.err


def test_colours_are_there_when_wanted_and_absent_in_a_pipe(
    idp: Idp, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b[" not in idp("decode", issuer.token()).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    first = idp("decode", issuer.token()).out.splitlines()[0]
    assert len({code for code in ("31", "35", "36") if f"\x1b[{code}m" in first}) == 3
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in idp("decode", issuer.token()).out


def test_an_expired_token_is_decoded_and_said_to_be_expired(idp: Idp, issuer: Issuer) -> None:
    said = idp("decode", issuer.token(exp=int(time.time()) - 3605, iat=int(time.time()) - 3905))
    assert said.status == 0
    assert "it has expired" in said.out
    assert "1 h ago" in said.out


@pytest.mark.parametrize("prefix", ["Bearer ", "Authorization: Bearer ", "  "])
def test_a_copied_header_line_is_understood(idp: Idp, issuer: Issuer, prefix: str) -> None:
    assert idp("decode", prefix + issuer.token()).status == 0


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "header.payload.signature"),
        ("abc", "refresh token"),
        ("a.b.c", "header.payload.signature"),
        ("a.b.c.d.e", "encrypted"),
        ("é", "header.payload.signature"),
        ("x" * 20_000, "header.payload.signature"),
    ],
)
def test_what_is_no_token_is_told_in_four_parts(idp: Idp, text: str, word: str) -> None:
    said = idp("decode", "--", text)
    assert said.status == 2
    assert said.out == ""
    assert word in said.err
    assert all(part in said.err for part in ("received", "expected", "mend"))


def test_flip_shows_that_the_signature_no_longer_matches(idp: Idp, issuer: Issuer, here: Path) -> None:
    (here / "keys.json").write_text(json.dumps(issuer.jwks))
    said = idp("decode", "--flip", "--jwks", "keys.json", issuer.token())
    assert said.status == 0
    assert "signature matches" in said.out
    assert "signature does not match" in said.out
    assert '"sub":"alice"' in said.out
    assert '"sub":"alicf"' in said.out


def test_flip_refuses_keys_that_are_not_the_issuers(idp: Idp, issuers: object, issuer: Issuer, here: Path) -> None:
    other = issuers("RS256")  # type: ignore[operator]
    (here / "keys.json").write_text(json.dumps(other.jwks))
    said = idp("decode", "--flip", "--jwks", "keys.json", issuer.token())
    assert said.status == 1
    assert "does not match" not in said.out


def test_flip_does_not_call_an_issuer_that_the_token_names(idp: Idp, issuer: Issuer) -> None:
    """Whoever writes a token would choose what this machine calls."""
    said = idp("decode", "--flip", issuer.token(iss="https://evil.example"))
    assert said.status == 2
    assert "--jwks" in said.err


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "alice"},
        {"sub": "zZ9"},
        {"sub": "ünï"},
        {"sub": ""},
        {"a": {"sub": "no"}, "n": 1},
        {"sub": 'q"'},
        {"jti": "sub", "sub": "x"},
        {"z": "é", "exp": 9},
    ],
)
def test_one_byte_changes_and_the_payload_stays_json(claims: dict[str, object]) -> None:
    payload = json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()
    part = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
    changed, before, after = flipped(f"h.{part}.s")
    data = base64.urlsafe_b64decode(changed.split(".")[1] + "==")
    assert sum(left != right for left, right in zip(data, payload, strict=True)) == 1
    assert json.loads(data) != claims
    assert before != after


def test_a_hostile_token_cannot_write_to_the_terminal(idp: Idp, issuer: Issuer) -> None:
    said = idp("decode", issuer.token(**{"sub": "\x1b]0;owned\x07", "\x1b[2Jname": "v\u202e", "exp": 10**30}))
    assert said.status == 0
    assert all(character.isprintable() or character == "\n" for character in said.out)


@pytest.mark.parametrize("value", [True, "soon", None, [1], 10**30, -1, 1e308, 253_402_300_799])
def test_times_that_are_no_times_are_explained_all_the_same(value: object) -> None:
    assert explain_claim("exp", value, {"iat": 1}, 1000.0)
    assert explain_claim("iat", value, {}, 1000.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (5, "5 s"),
        (60, "1 min"),
        (252, "4 min 12 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (86_400 * 90, "90 d"),
        (86_400 + 59, "1 d"),
    ],
)
def test_spans_as_people_say_them(seconds: int, text: str) -> None:
    assert span(seconds) == text


def test_moments_have_a_date_and_a_distance() -> None:
    assert moment(1000 + 252, 1000).endswith(", in 4 min 12 s")
    assert moment(1000 - 5, 1000).endswith(", 5 s ago")
    assert printable("a\tb") == "a\\tb"


def test_decode_is_there_at_once(issuer: Issuer, here: Path) -> None:
    """Neither settings nor server are loaded to read a token."""
    code = (
        "import sys; from idp.cli.group import run; status = run(['decode', sys.argv[1]]); "
        "print('loaded', *sys.modules); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code, issuer.token()], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "idp.cli.decode" in loaded
    heavy = {"sqlalchemy", "starlette", "httpx2", "msgspec", "authlib", "alembic", "idp.settings", "idp.control"}
    assert not loaded & heavy


def test_standard_input_holds_a_token_too(issuer: Issuer, here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from idp.cli import main; main()", "decode", "-"],
        input=issuer.token() + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "SIGNED, NOT ENCRYPTED" in done.stdout
