"""What is measured: each scenario prepares its requests, proves their answers real, and says what to load."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import httpx2
from browser import Browser
from load import Request, Step, Trip, pattern
from process import BenchError
from targets import PEOPLE, REDIRECT_URI, Target
from visitor import OFFLINE_SCOPE, SIGN_ON_SCOPE, Visitor, basic, code_form

FORM = "application/x-www-form-urlencoded"
JWT_MEMBER = '"%s" ?: ?"ey[%%w_-]+%%.[%%w_-]+%%.[%%w_-]+"'
ROTATED = '"refresh_token" ?: ?"([^"]+)"'
Check = Callable[[httpx2.Response], None]
Work = tuple[Request | Sequence[Trip], Check | None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`prepare` gives the work and, for a request sent unchanged, the check of its answers around it."""

    key: str
    title: str
    prepare: Callable[[Visitor], Work]
    floor: float
    aim: float
    needs: Callable[[Target], bool] = lambda target: bool(target.names.authorize)


def require_json(member: str) -> Check:
    def check(answer: httpx2.Response) -> None:
        if answer.status_code != 200 or not answer.json().get(member):
            raise BenchError(f"{answer.url} answered {answer.status_code} without {member}: {answer.text[:500]}")

    return check


def jwks(visitor: Visitor) -> tuple[Request, Check]:
    return Request(visitor.target.names.jwks), require_json("keys")


def discovery(visitor: Visitor) -> tuple[Request, Check]:
    return Request(visitor.target.names.discovery), require_json("jwks_uri")


def client_credentials(alg: str) -> Callable[[Visitor], tuple[Request, Check]]:
    def prepare(visitor: Visitor) -> tuple[Request, Check]:
        names = visitor.target.names
        form = {"grant_type": "client_credentials", "scope": "read", **names.machine[alg]}
        headers = {"content-type": FORM, "authorization": basic("machine")}

        def check(answer: httpx2.Response) -> None:
            require_json("access_token")(answer)
            visitor.verify(answer.json()["access_token"], alg)

        return Request(names.token, "POST", headers, urlencode(form)), check

    return prepare


def person_token(visitor: Visitor) -> str:
    """A fresh access token of a person, of the kind the target's own UserInfo takes."""
    code = visitor.code(Browser(visitor.target.base), PEOPLE[0], SIGN_ON_SCOPE, {})
    return visitor.redeem(code, {})["access_token"]


def introspection(visitor: Visitor) -> tuple[Request, Check]:
    headers = {"content-type": FORM, "authorization": basic("web")}
    body = urlencode({"token": person_token(visitor)})
    return Request(visitor.target.names.introspect, "POST", headers, body), require_json("active")


def userinfo(visitor: Visitor) -> tuple[Request, Check]:
    headers = {"authorization": f"Bearer {person_token(visitor)}"}
    return Request(visitor.target.names.userinfo, "GET", headers), require_json("email")


def sign_on(visitor: Visitor) -> tuple[Sequence[Trip], None]:
    names, extra = visitor.target.names, visitor.target.names.person
    path = visitor.authorize_path(SIGN_ON_SCOPE, extra)
    browsers = visitor.signed_in()
    tokens = visitor.redeem(visitor.code(browsers[0], PEOPLE[0], SIGN_ON_SCOPE, extra), extra)
    visitor.verify(tokens["id_token"], "ES256")
    visitor.verify(tokens["access_token"], "ES256")
    redeem = Step(
        "POST",
        names.token,
        {"content-type": FORM, "authorization": basic("web")},
        status=200,
        or_status=200,
        where="body",
        contains=[JWT_MEMBER % "access_token", JWT_MEMBER % "id_token"],
        before=urlencode(code_form(extra)) + "&code=",
    )
    return [
        Trip([authorize_step(path, browser.cookie_header(visitor.url(path))), redeem]) for browser in browsers
    ], None


def authorize_step(path: str, cookie: str) -> Step:
    there = f"^{pattern(REDIRECT_URI)}%?"
    return Step("GET", path, {"cookie": cookie}, 302, 303, "location", [there], take="[?&]code=([^&#]+)")


def refresh(visitor: Visitor) -> tuple[Sequence[Trip], None]:
    names, extra = visitor.target.names, visitor.target.names.person
    values = []
    for browser, name in zip(visitor.signed_in(), PEOPLE, strict=True):
        code = visitor.code(browser, name, OFFLINE_SCOPE, {**extra, "prompt": "consent"})
        values.append(visitor.redeem(code, extra)["refresh_token"])
    form = {"grant_type": "refresh_token", **extra}
    tokens = visitor.token_answer({**form, "refresh_token": values[0]})
    visitor.verify(tokens["access_token"], "ES256")
    if tokens.get("refresh_token") in (None, values[0]):
        raise BenchError(f"{visitor.target.name} does not rotate the refresh token: {json.dumps(list(tokens))}")
    values[0] = tokens["refresh_token"]
    step = Step(
        "POST",
        names.token,
        {"content-type": FORM, "authorization": basic("web")},
        status=200,
        or_status=200,
        where="body",
        contains=[JWT_MEMBER % "access_token", JWT_MEMBER % "id_token", ROTATED],
        take=ROTATED,
        before=urlencode(form) + "&refresh_token=",
    )
    return [Trip([step], value=quote(value)) for value in values], None


def everywhere(_: Target) -> bool:
    return True


es256, rs256 = client_credentials("ES256"), client_credentials("RS256")
SCENARIOS = (
    Scenario("jwks", "JWKS", jwks, 1.6, 2.0, everywhere),
    Scenario("discovery", "discovery", discovery, 1.6, 2.0, everywhere),
    Scenario("client-credentials-es256", "client credentials ES256", es256, 1.6, 2.0, everywhere),
    Scenario("client-credentials-rs256", "client credentials RS256", rs256, 1.5, 1.9, everywhere),
    Scenario("introspection", "introspection", introspection, 1.0, 1.3),
    Scenario("userinfo", "UserInfo (ES256 token)", userinfo, 0.8, 1.1),
    Scenario("sign-on", "sign-on round trip, ES256", sign_on, 2.0, 3.0),
    Scenario("refresh", "refresh with rotation, ES256", refresh, 2.5, 4.0),
)
