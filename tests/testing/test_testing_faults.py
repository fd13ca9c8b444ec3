"""What goes wrong, told to happen: rotation, an issuer that fails, a wrong clock, everything that can be revoked."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx2
import jwt
import pytest

from idp.control.errors import ControlError
from idp.testing import Idp, Starter
from idp.verify import Refused

JWKS = "/.well-known/jwks.json"


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def active(idp: Idp, token: str) -> bool:
    answer = idp.http.get("/userinfo", headers={"authorization": f"Bearer {token}"})
    return answer.status_code == 200


def test_rotate_now(idp: Idp) -> None:
    verifier = idp.verifier()
    before = idp.token_for("alice")
    verifier.verify_sync(before)
    idp.rotate()
    after = idp.token_for("alice")
    assert kid_of(before) != kid_of(after)
    assert {verifier.verify_sync(token).subject for token in (before, after)} == {"alice"}


def test_a_second_rotation_waits_as_it_does_in_life(idp: Idp) -> None:
    idp.rotate()
    with pytest.raises(ControlError, match="too soon after the last"):
        idp.rotate()
    before = kid_of(idp.token_for("alice"))
    idp.rotate(emergency=True)
    assert kid_of(idp.token_for("alice")) != before
    idp.advance(idp.server.settings.keys.longest_cache + 60)
    idp.rotate()


def test_a_key_that_leaked_is_withdrawn(idp: Idp) -> None:
    token = idp.token_for("alice", scope="openid")
    assert idp.withdraw_key() == kid_of(token)
    with pytest.raises(Refused, match="kid"):
        idp.verifier().verify_sync(token)
    assert not active(idp, token)
    assert active(idp, idp.token_for("alice", scope="openid"))


def test_an_address_that_answers_503(idp: Idp) -> None:
    with idp.broken("jwks") as fault:
        assert idp.http.get(JWKS).status_code == 503
        with pytest.raises(Refused):
            idp.verifier().verify_sync(idp.token_for("alice"))
    assert fault.met == 2
    assert idp.http.get(JWKS).status_code == 200


def test_nonsense_so_many_times(idp: Idp) -> None:
    idp.broken("token", status=200, body="<html>a proxy</html>", headers={"content-type": "text/html"}, times=2)
    kinds = [idp.http.post("/token").headers["content-type"] for _ in range(3)]
    assert kinds == ["text/html", "text/html", "application/json"]
    idp.broken("everything", status=502)
    assert {idp.http.get(path).status_code for path in (JWKS, "/healthz", "/nowhere")} == {502}
    with pytest.raises(ValueError, match="is no address: use jwks, discovery"):
        idp.broken("jwsk")


def test_late_and_over_a_socket(live_idp: Idp) -> None:
    with live_idp.slow("discovery", 0.2), httpx2.Client(base_url=live_idp.issuer, trust_env=False) as there:
        begun = time.perf_counter()
        assert there.get("/.well-known/openid-configuration").json()["issuer"] == live_idp.issuer
        assert time.perf_counter() - begun >= 0.2
        with pytest.raises(httpx2.ReadTimeout):
            there.get("/.well-known/openid-configuration", timeout=0.05)


@pytest.mark.parametrize("seconds", [300, -400, -80_000])
def test_a_wrong_clock(idp: Idp, seconds: int) -> None:
    with idp.skewed(seconds):
        token = idp.token_for("alice")
        date = parsedate_to_datetime(idp.http.get(JWKS).headers["date"]).timestamp()
    issued = jwt.decode(token, options={"verify_signature": False})["iat"]
    assert abs(issued - time.time() - seconds) < 5
    assert abs(date - time.time() - seconds) < 5
    with pytest.raises(Refused, match=r"clock|expired|iat"):
        idp.verifier(clock=time.time).verify_sync(token)
    assert abs(idp.clock() - time.time()) < 5


def test_the_date_over_a_socket_is_the_providers(live_idp: Idp) -> None:
    with live_idp.skewed(300):
        answer = httpx2.get(live_idp.issuer + JWKS, trust_env=False)
    assert len(answer.headers.get_list("date")) == 1
    assert abs(parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time() - 300) < 5


def test_time_passes_when_told(idp: Idp) -> None:
    token = idp.token_for("alice", scope="openid")
    idp.advance(200)
    assert active(idp, token)
    idp.advance(101)
    assert not active(idp, token)


def test_what_is_revoked(idp: Idp) -> None:
    one = idp.tokens_for("alice", scope="openid offline_access")
    other = idp.token_for("alice", scope="openid")
    idp.revoke(other)
    assert (active(idp, one["access_token"]), active(idp, other)) == (True, False)
    idp.revoke(one["refresh_token"])
    assert not active(idp, one["access_token"])


def test_a_grant_that_is_withdrawn(idp: Idp) -> None:
    token = idp.token_for("alice", scope="openid")
    assert idp.withdraw("alice", "service") is False
    assert active(idp, token)
    assert idp.withdraw("alice") is True
    assert not active(idp, token)
    assert idp.withdraw("nobody") is False


def test_sessions_that_end_and_people_who_leave(idp: Idp) -> None:
    browser = idp.browser("alice")
    idp.sign_in(browser=browser)
    idp.end_sessions("alice")
    browser.pages.clear()
    idp.sign_in(browser=browser)
    assert browser.pages[0] == "login"
    token = idp.token_for("alice", scope="openid")
    idp.disable("alice")
    assert not active(idp, token)
    with pytest.raises(ControlError):
        idp.token_for("alice")
    idp.enable("alice")
    assert active(idp, idp.token_for("alice", scope="openid"))


def test_a_copy_signs_with_the_keys_of_the_first(starter: Starter) -> None:
    """Opened once for the run, as opening one takes 25 ms; a key the copy has withdrawn is not back in the next one."""
    with starter.fresh() as one:
        kid = one.withdraw_key()
        assert kid not in str(one.jwks())
    with starter.fresh() as other:
        assert kid_of(other.token_for("alice")) == kid
        assert other.verifier().verify_sync(other.token_for("bob")).subject == "bob"
