"""The audit knows every door: each route, operation, command and job says which events it may write, and they are seen.

A new one without a row is told here, and so is an event that nothing writes. Rows are the claim; below them each
operation is run, and a sign-on with all that can go wrong, and what they wrote is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from support import WEB, App, Page, Visitor, register, sign_in
from support.document_site import REDIRECT, document_site
from support.loopback import sink

from idp.cli.group import COMMANDS, commands
from idp.cli.routes import routes_of
from idp.control.operations import OPERATIONS
from idp.features import FEATURES
from idp.jobs import CORE_JOBS
from idp.settings import load
from idp.store.audit import EVENTS
from idp.testing import Provider

pytestmark = pytest.mark.anyio
Rows = Mapping[str, tuple[str, ...]]

OPEN = {"IDP_REGISTRATION_MODE": "open", "IDP_SIGN_UP_OPEN": "true"}  # what is off until the settings say otherwise
READS: tuple[str, ...] = ()  # tells, and changes nothing
PROOF = ("client.refused", "requests.refused")  # whoever asks for a client's proof may refuse it
SIGN_IN = ("session.started", "session.ended", "login.failed", "login.throttled", "requests.refused", "consent.denied")

ROUTES: Rows = {
    "/.well-known/openid-configuration": READS,
    "/.well-known/oauth-authorization-server": READS,
    "/.well-known/jwks.json": READS,
    "/.well-known/oauth-protected-resource": READS,
    "/healthz": READS,
    "/readyz": READS,
    "/": READS,
    "/hello": READS,
    "/dev/token": READS,
    "/dev/token.js": READS,
    "/logged-out": READS,
    "/authorize": ("authorization.granted", "client.document", "requests.refused"),
    "/authorize/resume": ("authorization.granted", "client.document", "requests.refused"),
    "/login": SIGN_IN,
    "/sign-up": ("account.created", "session.started", "session.ended", "consent.denied", "requests.refused"),
    "/select-account": ("session.ended", "requests.refused"),
    "/consent": ("authorization.granted", "client.document", "consent.granted", "consent.denied", "requests.refused"),
    "/token": (
        "tokens.issued",
        "token.exchanged",
        "authorization.asserted",
        "code.replayed",
        "refresh.replayed",
        *PROOF,
    ),
    "/par": PROOF,
    "/userinfo": ("requests.refused",),
    "/introspect": PROOF,
    "/revoke": ("grant.revoked", "token.revoked", *PROOF),
    "/logout": ("session.ended", "requests.refused"),
    "/device_authorization": PROOF,
    "/device": ("login.throttled", "requests.refused"),
    "/device/confirm": ("authorization.granted", "consent.granted", "consent.denied", "requests.refused"),
    "/account": READS,
    "/account/password": ("account.changed", "session.ended", "grant.revoked", "requests.refused"),
    "/account/sessions": ("session.ended", "requests.refused"),
    "/account/apps": ("consent.withdrawn", "requests.refused"),
    "/api/token/": ("authorization.granted", "tokens.issued", "login.failed", "login.throttled"),
    "/api/token/refresh/": ("tokens.issued",),
    "/api/token/verify/": READS,
    "/register": ("client.registered", "registration.token_exhausted", "requests.refused"),
    "/register/client": ("client.updated", "client.unregistered", *PROOF),
}
OPERATION_ROWS: Rows = {
    "token": ("operator.token", "tokens.issued"),
    "probe.tokens": ("operator.probe", "operator.token", "tokens.issued"),
    "user.add": ("account.created",),
    "user.passwd": ("account.changed",),
    "user.disable": ("account.disabled", "session.ended"),
    "user.enable": ("account.changed",),
    "user.unlock": ("account.unlocked",),
    "user.logout": ("account.logged_out", "session.ended"),
    "user.remove": ("account.removed",),
    "user.list": READS,
    "user.import": ("account.created", "accounts.imported"),
    "user.import.known": READS,
    "apply": ("account.created", "client.created", "resource.changed", "scope.changed"),
    "client.add": ("client.created",),
    "export": READS,
    "backup": ("backup.made",),
    "client.list": READS,
    "client.disable": ("client.disabled",),
    "client.enable": ("client.changed",),
    "client.remove": ("client.disabled", "client.removed"),
    "client.secret.add": ("client.secret_added",),
    "client.secret.retire": ("client.secret_retired",),
    "client.secret.list": READS,
    "registration.token.add": ("registration.token_added",),
    "registration.token.list": READS,
    "registration.token.remove": ("registration.token_removed",),
    "resource.add": ("resource.changed",),
    "resource.remove": ("resource.removed",),
    "resource.list": READS,
    "keys.list": READS,
    "keys.rotate": ("key.created", "key.rotated"),
    "keys.revoke": ("key.created", "key.revoked", "key.rotated"),
    "keys.rewrap": ("key.rewrapped",),
    "keys.jwks": READS,
    "audit.tail": READS,
    "audit.export": READS,
    "logout.deliveries": READS,
    "deploy_check": READS,
    "info": READS,
}
# A command is one operation under another name, or works on this side of the server.
COMMAND_ROWS: Rows = {
    "dev": ("server.started",),
    "serve": ("server.started",),
    "init": READS,
    "check": READS,
    "migrate": READS,
    "refresh": READS,
    "login": READS,
    "logout": READS,
    "decode": READS,
    "verify": READS,
    "why": READS,
    "watch": (*OPERATION_ROWS["token"], *OPERATION_ROWS["keys.rotate"]),
    "doctor": READS,
    "probe": (*OPERATION_ROWS["probe.tokens"], *OPERATION_ROWS["keys.revoke"]),
    "routes": READS,
    "apply": OPERATION_ROWS["apply"],
    "token": OPERATION_ROWS["token"],
    "export": READS,
    "backup": OPERATION_ROWS["backup"],
    "restore": ("backup.restored",),
    "move": ("backup.restored",),
    "client add": (*OPERATION_ROWS["client.add"], "resource.changed", "scope.changed"),
    "client list": READS,
    "client disable": OPERATION_ROWS["client.disable"],
    "client enable": OPERATION_ROWS["client.enable"],
    "client remove": OPERATION_ROWS["client.remove"],
    "client secret add": OPERATION_ROWS["client.secret.add"],
    "client secret retire": OPERATION_ROWS["client.secret.retire"],
    "client secret list": READS,
    "user add": OPERATION_ROWS["user.add"],
    "user passwd": OPERATION_ROWS["user.passwd"],
    "user disable": OPERATION_ROWS["user.disable"],
    "user enable": OPERATION_ROWS["user.enable"],
    "user unlock": OPERATION_ROWS["user.unlock"],
    "user logout": OPERATION_ROWS["user.logout"],
    "user remove": OPERATION_ROWS["user.remove"],
    "user list": READS,
    "user import": OPERATION_ROWS["user.import"],
    "registration token add": OPERATION_ROWS["registration.token.add"],
    "registration token list": READS,
    "registration token remove": OPERATION_ROWS["registration.token.remove"],
    "resource add": OPERATION_ROWS["resource.add"],
    "resource remove": OPERATION_ROWS["resource.remove"],
    "resource list": READS,
    "keys list": READS,
    "keys rotate": OPERATION_ROWS["keys.rotate"],
    "keys revoke": OPERATION_ROWS["keys.revoke"],
    "keys rewrap": OPERATION_ROWS["keys.rewrap"],
    "keys export": READS,
    "audit tail": READS,
    "audit export": READS,
    "audit deliveries": READS,
}
JOB_ROWS: Rows = {
    "registry": READS,
    "keys": ("key.created", "key.deleted"),
    "issued tokens": ("tokens.issued",),
    "failed sign-ins": ("login.failed",),
    "refusals": ("requests.refused", "login.throttled"),
    "sweep": READS,
    "redirect uses": READS,
    "first uses": READS,
    "registered clients": ("client.unregistered",),
    "costs of passwords": READS,
    "logout deliveries": ("logout.delivered", "logout.failed"),
}
# Seen by a test of its own, because it takes more than one call.
ELSEWHERE = {"keys.rewrap": "tests/keys/test_key_encryption.py"}


def command_names() -> Iterator[str]:
    context = click.Context(commands)
    for name in COMMANDS:
        yield from _below(name, commands.get_command(context, name))


def _below(name: str, command: click.Command | None) -> Iterator[str]:
    if isinstance(command, click.Group):
        for inner, found in command.commands.items():
            yield from _below(f"{name} {inner}", found)
    else:
        yield name


@pytest.mark.parametrize(
    ("rows", "there"),
    [
        (ROUTES, {route.path for route in routes_of(load(None, OPEN, "dev"))}),
        (OPERATION_ROWS, set(OPERATIONS)),
        (COMMAND_ROWS, set(command_names())),
        (JOB_ROWS, {job.name for job in [*CORE_JOBS, *(job for feature in FEATURES for job in feature.jobs)]}),
    ],
    ids=["routes", "operations", "commands", "jobs"],
)
def test_every_door_says_what_it_writes(rows: Rows, there: set[str]) -> None:
    assert there - set(rows) == set(), "say here which events it writes, or READS"
    assert set(rows) - there == set(), "no longer there"
    assert {event for events in rows.values() for event in events} <= set(EVENTS)


def test_every_event_is_somebodys() -> None:
    every = (ROUTES, OPERATION_ROWS, COMMAND_ROWS, JOB_ROWS)
    claimed = {event for rows in every for events in rows.values() for event in events}
    assert set(EVENTS) - claimed == set()


MORE = """
[[scopes]]
name = "read"
description = "Read."

[[resources]]
uri = "https://api.test"
scopes = ["read"]

[[clients]]
client_id = "late"
token_endpoint_auth_method = "none"
redirect_uris = ["https://late.test/cb"]

[[people]]
username = "emil"
password = "a password of his"
"""
ARGUED = ("client.secret.list",)  # reads what has to be named
ADDED = {"client_id": "added", "token_endpoint_auth_method": "none", "redirect_uris": ["https://added.test/cb"]}


# So that all of it can happen within a few days, and is still read.
OPTIONS: dict[str, Any] = {
    "lifetimes__refresh_grace": 0,
    "keys__signs": 1000,
    "audit_days": 0,
    "registration__mode": "open",
}


async def happened(provider: Provider) -> list[str]:
    return [event["event"] for event in (await provider.control("audit.tail", limit=10_000))["events"]]


async def test_what_operations_write_is_what_their_rows_say() -> None:
    async with Provider() as provider:
        await register(provider, WEB)
        for person in ("alice", "bob"):
            await sign_in(provider, WEB, person)
        runs: list[tuple[str, dict[str, Any]]] = [
            ("user.add", {"username": "dora", "password": "a password of hers"}),
            ("user.passwd", {"username": "dora", "password": "another one of hers"}),
            ("user.disable", {"username": "alice"}),
            ("user.enable", {"username": "alice"}),
            ("token", {"person": "bob"}),
            ("probe.tokens", {"person": "bob", "thumbprint": "of-a-key"}),
            ("user.import", {"people": [{"username": "fred"}], "source": "a file"}),
            ("client.add", {"client": ADDED}),
            ("client.disable", {"client_id": "added"}),
            ("client.enable", {"client_id": "added"}),
            ("client.secret.add", {"client_id": "web"}),
            ("client.secret.list", {"client_id": "web"}),
            ("client.secret.retire", {"client_id": "web"}),
            ("client.remove", {"client_id": "added"}),
            ("registration.token.add", {"uses": 1, "lifetime": 60, "name": "ci"}),
            ("registration.token.remove", {"name": "ci"}),
            ("resource.add", {"resource": {"uri": "https://more.test", "scopes": []}}),
            ("resource.remove", {"uri": "https://more.test"}),
            ("user.logout", {"username": "bob"}),
            ("user.unlock", {"username": "dora"}),
            ("user.remove", {"username": "dora"}),
            ("backup", {"file": str(provider.data_dir / "backup")}),
            ("keys.revoke", {"kid": provider.server.keyring.signing_kid("ES256")}),
            ("keys.rotate", {"emergency": True}),
            *((name, {}) for name, events in OPERATION_ROWS.items() if events is READS and name not in ARGUED),
        ]
        for operation, arguments in runs:
            before = len(await happened(provider))
            await provider.control(operation, **arguments)
            found = set((await happened(provider))[before:])
            assert found == set(OPERATION_ROWS[operation]), operation
        before = len(await happened(provider))
        await provider.apply(MORE)
        assert set((await happened(provider))[before:]) == set(OPERATION_ROWS["apply"])
        before = len(await happened(provider))
        await provider.apply(MORE)
        assert (await happened(provider))[before:] == [], "twice changes nothing"
    ran = {"apply", *ELSEWHERE, *(name for name, _ in runs)}
    assert set(OPERATION_ROWS) - ran == set(), "run it here, or name its own test in ELSEWHERE"


async def test_what_routes_and_jobs_may_write_does_happen(tmp_path: Path) -> None:
    with sink() as app, document_site(tmp_path) as site:
        app.answers = [500]
        documents = {"client_documents__mode": "any", "outbound__ca_file": str(site.ca_file)}
        async with Provider(**OPTIONS, **documents) as provider:
            await provider.apply(f'{WEB.toml()}\nbackchannel_logout_uri = "{app.url}"')
            await sign_in(provider, App(site.publish(), REDIRECT, method="none"))
            await everything(provider)
            await registration(provider)
            for _ in range(20):
                await provider.advance(1)  # until the delivery's next try
            for _ in range(3):
                await provider.advance(40 * 86_400)  # past every key's life
            seen = set(await happened(provider))
    claimed = {event for rows in (ROUTES, JOB_ROWS) for events in rows.values() for event in events}
    assert claimed - seen == set()


async def everything(provider: Provider) -> None:
    """A sign-on, and what goes wrong around it."""
    http, offline = provider.http, {"scope": "openid offline_access"}
    visitor = Visitor(provider)
    page = await visitor.authorize(WEB.request(**offline))
    await visitor.log_in(page, "alice", "wrong")
    for _ in range(20):
        await visitor.log_in(page, "somebody", "a guess")
    await visitor.authorize({"client_id": "nobody"})
    answer = await visitor.sign_on(WEB.request(**offline), "alice")
    own = (await WEB.redeem(http, answer.code)).json()
    await WEB.redeem(http, answer.code)
    tokens = await sign_in(provider, WEB, **offline)
    await WEB.refresh(http, tokens["refresh_token"])
    provider.clock.advance(1)
    await WEB.refresh(http, tokens["refresh_token"])
    tokens = await sign_in(provider, WEB, **offline)
    await exchanged(provider, tokens["access_token"])
    await asserted(provider)
    await WEB.revoke(http, tokens["access_token"])
    await WEB.revoke(http, tokens["refresh_token"])
    stranger = Visitor(provider)
    await stranger.submit(await stranger.authorize(WEB.request()), decision="deny")
    await stranger.aclose()
    await at_home(visitor)
    await visitor.open("/logout", {"id_token_hint": own["id_token"]})
    await visitor.aclose()


async def exchanged(provider: Provider, token: str) -> None:
    """A service that was shown this token gets one of its own."""
    exchange, resource = "urn:ietf:params:oauth:grant-type:token-exchange", "https://next.test"
    await provider.apply(f'[[resources]]\nuri = "{resource}"')
    members = {"audiences": [provider.issuer], "resources": [resource], "token_exchange": ["delegation"]}
    service = App("api", secret="secret-of-api-0123456789", grant_types=(exchange,), members=members)
    await register(provider, service)
    form = {"subject_token": token, "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
    assert (await service.token(provider.http, exchange, resource=resource, **form)).status_code == 200


async def asserted(provider: Provider) -> None:
    """Another issuer's word for a person becomes a token."""
    bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    key = ECKey.generate_key("P-256", parameters={"kid": "p"})
    issuer = {"issuer": "https://partner.test", "jwks": {"keys": [key.as_dict(private=False)]}}
    members = {"assertion_issuers": [issuer]}
    bridge = App("bridge", secret="secret-of-bridge-0123456789", scope="", grant_types=(bearer,), members=members)
    await register(provider, bridge)
    now = int(provider.clock())
    claims = {"iss": "https://partner.test", "sub": "alice", "aud": provider.issuer, "exp": now + 60, "jti": "1"}
    answer = await bridge.token(provider.http, bearer, assertion=jwt.encode({"alg": "ES256", "kid": "p"}, claims, key))
    assert answer.status_code == 200, answer.text


async def at_home(visitor: Visitor) -> None:
    """On the person's own page: an app withdrawn, a new password."""
    fresh = "a longer password than before, 2"
    shown = await visitor.open("/account")
    assert isinstance(shown, Page)
    headers = {"origin": visitor.origin, "sec-fetch-site": "same-origin"}
    await visitor.post("/account/apps", {"t": shown.fields["t"], "client": "web"}, **headers)
    passwords = {"current_password": "alice", "new_password": fresh, "repeat_password": fresh}
    await visitor.post("/account/password", {"t": shown.fields["t"], **passwords}, **headers)


async def registration(provider: Provider) -> None:
    """An app that registers itself, is changed and removed; another one that nobody ever uses."""
    made = await provider.control("registration.token.add", uses=1, lifetime=60)
    body, http = {"redirect_uris": ["https://self.test/cb"]}, provider.http
    await http.post("/register", json=body)
    answer = await http.post("/register", json=body, headers={"authorization": f"Bearer {made['token']}"})
    found = answer.json()
    headers = {"authorization": f"Bearer {found['registration_access_token']}"}
    fresh = {"client_id": found["client_id"], "client_name": "New", **body}
    await http.put(found["registration_client_uri"], json=fresh, headers=headers)
    await http.put(found["registration_client_uri"], json=body, headers=headers)
    await http.delete(found["registration_client_uri"], headers=headers)
