"""No secret in any log: one process with every logger at DEBUG through all flows, and the guard that every test has."""

from __future__ import annotations

import ast
import base64
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import ECKey
from support import WEB, App, Visitor, add_person, challenge
from support.leaks import LEAKS, OURS, Exchange
from support.loopback import sink
from watch_support import MAIN, Serving

import idp
from idp.jose.keys import private_key_from_der
from idp.keyring import generate_key_encryption_key, read_key_encryption_ring
from idp.store.database import Database
from idp.store.keys import key_purpose, load_keys, load_secrets, secret_purpose
from idp.testing import Provider

pytestmark = pytest.mark.anyio

# Whatever its maker set: nothing becomes quiet again.
LOUD = f"""
import logging
logging.getLogger().setLevel(logging.DEBUG)
logging.Logger.setLevel = lambda self, level: None
{MAIN}
"""
PASSWORD, NEW_PASSWORD = "a password of carol's, long", "another password, of hers"
KEY = ECKey.generate_key("P-256", parameters={"kid": "own"})
SIGNED = App("signed", "", method="private_key_jwt", scope="", grant_types=("client_credentials",))
POSTED = App("posted", "https://posted.test/cb", "secret-of-posted-0123456789", "client_secret_post")


def manifest(backchannel: str) -> str:
    jwks = {"keys": [KEY.as_dict(private=False)]}
    apps = [
        App(WEB.client_id, WEB.redirect_uri, WEB.secret, members={"backchannel_logout_uri": backchannel}).toml(),
        POSTED.toml(),
        App("signed", "", None, "private_key_jwt", "", ("client_credentials",), {"jwks": jwks}).toml(),
        f'[[people]]\nusername = "carol"\npassword = "{PASSWORD}"',
    ]
    return "\n\n".join(apps)


@dataclass
class Place:
    """A provider in another process, as ``support`` takes one."""

    issuer: str
    secrets: set[str]

    def listen(self, http: httpx2.AsyncClient) -> httpx2.AsyncClient:
        http.event_hooks = {"response": [self.heard]}
        return http

    async def heard(self, response: httpx2.Response) -> None:
        body = await response.aread()
        asked = response.request
        self.secrets |= Exchange(
            asked.headers.raw, asked.url.query, [asked.content], response.headers.raw, [body]
        ).secrets()


def assertion(issuer: str) -> str:
    now = int(time.time())
    claims = {"iss": "signed", "sub": "signed", "aud": issuer, "iat": now, "exp": now + 60, "jti": f"jti-{now}"}
    return jwt.encode({"alg": "ES256", "kid": "own"}, claims, KEY)


async def flows(place: Place) -> None:
    """Each way in which a secret comes or goes, right and wrong."""
    visitor = Visitor(place)  # type: ignore[arg-type] - it asks for the issuer alone
    place.listen(visitor.http)
    async with place.listen(httpx2.AsyncClient(base_url=place.issuer)) as http:
        page = await visitor.authorize(WEB.request(scope="openid profile offline_access"))
        await visitor.log_in(page, "carol", "a wrong password of hers")
        answer = await visitor.sign_on(WEB.request(scope="openid profile offline_access"), "carol", PASSWORD)
        tokens = (await WEB.redeem(http, answer.code)).json()
        renewed = (await WEB.refresh(http, tokens["refresh_token"])).json()
        for token in (renewed["access_token"], renewed["access_token"][:-4] + "AAAA"):
            await http.get("/userinfo", headers={"authorization": f"Bearer {token}"})
            await WEB.call(http, "/introspect", {"token": token})
        posted = await visitor.sign_on(POSTED.request(), "carol", PASSWORD)
        await POSTED.redeem(http, posted.code)
        await WEB.redeem(http, answer.code)  # a replay
        await App(WEB.client_id, WEB.redirect_uri, "not-the-secret-0123456789").refresh(http, renewed["refresh_token"])
        await App(POSTED.client_id, "", "nor-this-one-0123456789", POSTED.method).token(http, "client_credentials")
        both = {"client_id": "web", "client_secret": WEB.secret, "code": "both"}
        await http.post("/token", data=both, auth=("a", "b"))
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion(place.issuer),
        }
        assert (await http.post("/token", data=form)).status_code == 200
        assert (await http.post("/token", data=form)).status_code == 401  # the same assertion again
        exchanged = await http.post("/api/token/", json={"username": "carol", "password": PASSWORD})
        await http.post("/api/token/refresh/", json={"refresh": exchanged.json()["refresh"]})
        await visitor.open("/logout", {"id_token_hint": tokens["id_token"], "client_id": "web"})
        second = Visitor(place)  # type: ignore[arg-type]
        place.listen(second.http)
        answer = await second.sign_on(WEB.request(scope="openid offline_access"), "carol", PASSWORD)
        tokens = (await WEB.redeem(http, answer.code)).json()
        await WEB.revoke(http, tokens["refresh_token"])
        await http.get(f"/nowhere/{tokens['access_token']}?code={answer.code}")
        await visitor.aclose()
        await second.aclose()


def at_rest(folder: Path, kek: Path) -> set[str]:
    """The private keys, in the ways they might be written, and the secrets of the installation."""
    ring, database = read_key_encryption_ring(kek), Database(folder / "idp.sqlite3")
    found: set[bytes] = set()
    for stored in database.read_now(load_keys):
        private = ring.open(key_purpose(stored.life.alg, stored.life.kid), bytes(stored.sealed or b""))
        assert private is not None
        numbers: Any = private_key_from_der(private).private_numbers()
        secret = numbers.d if hasattr(numbers, "d") else numbers.private_value
        found |= {private, secret.to_bytes((secret.bit_length() + 7) // 8, "big")}
    for name, sealed in database.read_now(load_secrets).items():
        opened = ring.open(secret_purpose(name), sealed)
        assert opened is not None
        found.add(opened)
    database.close()
    return {text for value in found for text in spelled(value)}


def spelled(value: bytes) -> set[str]:
    """The beginnings of it that a log might hold."""
    plain = base64.b64encode(value).decode()[:40]
    return {plain, plain.translate(str.maketrans("+/", "-_")), value.hex()[:60], repr(value)[2:40]}


async def test_nothing_is_quiet_and_nothing_is_told(serve: Serving) -> None:
    kek = serve.folder / "kek"
    generate_key_encryption_key(kek)
    environ = {
        "IDP_DATA_DIR": str(serve.folder / "data"),
        "IDP_KEY_ENCRYPTION_KEY_FILE": str(kek),
        "IDP_LOG_FORMAT": "json",
        "IDP_ACCESS_LOG": "all",
        "IDP_PASSWORD_EXCHANGE_CLIENT": "sample",
        "PYTHONASYNCIODEBUG": "1",
    }
    place = Place(serve.issuer, {PASSWORD, NEW_PASSWORD, WEB.secret or "", POSTED.secret or "", challenge()})
    with sink() as app:
        file = serve.folder / "more.toml"
        file.write_text(manifest(app.url))
        port = serve.issuer.rpartition(":")[2]
        with serve.running("--port", port, "--apply", str(file), command="dev", program=LOUD, **environ):
            await flows(place)
            place.secrets.add(app.take(10)["logout_token"])
            file.write_text(f'[[people]]\nusername = "carol"\npassword = "{NEW_PASSWORD}"')
            for words in (["apply", str(file)], ["keys", "rewrap"], ["keys", "rotate"], ["token", "carol"]):
                said = serve.idp(*words, **environ)
                place.secrets |= {said.stdout.strip()} if words[0] == "token" else set()
    place.secrets |= {kek.read_text().split()[-1], *at_rest(serve.folder / "data", kek)}
    loggers = {json.loads(line)["logger"] for line in serve.log.splitlines() if line.startswith("{")}
    assert {"idp.access", "idp.refusals", "idp.logout", "asyncio", "httpx2", "httpcore2.http11"} <= loggers
    assert {"sqlalchemy.engine.Engine"} <= loggers, "the search looked at what is loudest"
    assert len(place.secrets) > 60
    leaked = [f"{secret[:8]}... ({len(secret)})" for secret in place.secrets if secret in serve.log]
    assert not leaked


async def test_a_leak_of_any_test_is_found() -> None:
    async with Provider() as provider:
        token = await provider.http.post(
            "/token", data={"grant_type": "client_credentials"}, auth=("service", "service-secret-for-development-only")
        )
    assert LEAKS.found() == []
    assert LEAKS in logging.getLogger().handlers
    logging.getLogger("idp.some").debug("made %s", token.json()["access_token"])
    assert len(LEAKS.found()) == 1
    logging.getLogger("uvicorn.error").debug("got service-secret-for-development-only")
    assert any("got service-secret" in line for line in LEAKS.said), logging.getLogger().handlers
    assert len(LEAKS.found()) == 1
    try:
        raise ValueError(f"about {token.json()['access_token']}")
    except ValueError:
        logging.getLogger("idp.some").exception("failed")
    assert len(LEAKS.found()) == 1
    assert "httpx2" not in OURS, "what the tests' own clients write is not the server's"


async def test_an_error_of_the_database_does_not_repeat_what_was_asked() -> None:
    async with Provider() as provider:
        await add_person(provider, "dave")
        insert = sa.text("INSERT INTO epoch (id, value) VALUES (:id, :secret)")
        with pytest.raises(sa.exc.IntegrityError) as failed:
            await provider.server.database.write(lambda c: c.execute(insert, {"id": 1, "secret": 918273645}))
    assert "918273645" not in str(failed.value)


def test_every_connection_to_a_database_hides_its_parameters() -> None:
    made = []
    for path in Path(idp.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and name in ("create_engine", "create_async_engine"):
                made.append((path.name, {word.arg: ast.unparse(word.value) for word in node.keywords}))
    assert made
    assert not [name for name, words in made if words.get("hide_parameters") != "True"]
