"""What an operator does is in effect at every node within a second: two ``idp serve`` on one PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from idp.cli.group import run

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]

LATE = "https://late.test"
MANIFEST = """
[[clients]]
client_id = "cli"
token_endpoint_auth_method = "none"
application_type = "native"
redirect_uris = ["http://127.0.0.1/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid profile offline_access"
"""


@dataclass
class Installation:
    """``nodes`` are two clients at two processes; ``idp`` is a command in this process, beside them."""

    folder: Path
    nodes: list[httpx2.Client]
    idp: Callable[..., str]
    known: dict[str, str] = field(default_factory=dict)  # what a row's preparation found out


@pytest.fixture(scope="module")
def database(cluster: Any) -> str:
    name = f"t{uuid.uuid4().hex}"

    async def create() -> None:
        connection = await asyncpg.connect(cluster.url("postgres"))
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()

    asyncio.run(create())
    return str(cluster.url(name))


def run_idp(folder: Path, *words: str) -> str:
    """A command of the installation in ``folder``; a relative file is seen from there."""
    told = [str(folder / word) if (folder / word).is_file() else word for word in words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(["--settings", str(folder / "idp.toml"), *told])
    assert status == 0, err.getvalue()
    return out.getvalue()


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Installation]:
    folder, ports = tmp_path_factory.mktemp("two-nodes"), [unused_port(), unused_port()]
    run_idp(folder, "init", "--issuer", f"http://localhost:{ports[0]}")
    file = folder / "idp.toml"
    text = re.sub(r"(?m)^# database = .*$", f'database = "{database}"', file.read_text())
    file.write_text(re.sub(r"(?m)^# password_exchange_client = .*$", 'password_exchange_client = "cli"', text))
    run_idp(folder, "migrate")
    (folder / "apply.toml").write_text(MANIFEST)
    run_idp(folder, "apply", "apply.toml")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", "from idp.cli import main; main()", "serve"],
            cwd=folder,
            stderr=(folder / f"log{port}").open("w"),
            env=os.environ | {"IDP_LISTEN_PORT": str(port)},
        )
        for port in ports
    ]
    nodes = [httpx2.Client(base_url=f"http://localhost:{port}", trust_env=False) for port in ports]
    try:
        deadline = time.monotonic() + 30
        while not all(map(is_ready, nodes)):
            assert time.monotonic() < deadline, [path.read_text() for path in folder.glob("log*")]
            time.sleep(0.05)
        yield Installation(folder, nodes, lambda *words: run_idp(folder, *words))
    finally:
        for node in nodes:
            node.close()
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(15)


def is_ready(node: httpx2.Client) -> bool:
    try:
        return node.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def effective(found: Installation, seen: Callable[[httpx2.Client], bool]) -> None:
    """Both nodes show it within a second of the command's end, and neither falls back."""
    began = time.monotonic()
    for node in found.nodes:
        while not seen(node):
            assert time.monotonic() - began <= 1.0, f"not in effect at {node.base_url}"
            time.sleep(0.02)
    assert all(seen(node) for node in found.nodes)


def person(found: Installation) -> str:
    """Somebody new, with a token of theirs."""
    name = f"p{uuid.uuid4().hex[:8]}"
    (found.folder / "password").write_text(f"password of {name}\n")
    found.idp("user", "add", name, "--password-file", "password")
    found.known = {"token": found.idp("token", name, "--client", "cli").strip()}
    assert all(person_answers(found)(node) for node in found.nodes)
    return name


def service(found: Installation, *options: str) -> str:
    name = f"c{uuid.uuid4().hex[:8]}"
    said = found.idp("client", "add", name, "--service", *options)
    found.known = {"secret": said.split("client_secret")[1].strip()}
    return name


def signs_in(name: str, password: str | None = None) -> Callable[[httpx2.Client], bool]:
    body = {"username": name, "password": password or f"password of {name}"}
    return lambda node: node.post("/api/token/", json=body).status_code == 200


def person_answers(found: Installation) -> Callable[[httpx2.Client], bool]:
    header = {"authorization": f"Bearer {found.known['token']}"}
    return lambda node: node.get("/userinfo", headers=header).status_code == 200


def serves(name: str, secret: str, **form: str) -> Callable[[httpx2.Client], bool]:
    data = {"grant_type": "client_credentials", **form}
    return lambda node: node.post("/token", data=data, auth=(name, secret)).status_code == 200


def no(seen: Callable[[httpx2.Client], bool]) -> Callable[[httpx2.Client], bool]:
    return lambda node: not seen(node)


def user_add(found: Installation) -> Callable[[httpx2.Client], bool]:
    return signs_in(person(found))


def user_disable(found: Installation) -> Callable[[httpx2.Client], bool]:
    found.idp("user", "disable", person(found))
    return no(person_answers(found))


def user_enable(found: Installation) -> Callable[[httpx2.Client], bool]:
    name = person(found)
    found.idp("user", "disable", name)
    effective(found, no(signs_in(name)))
    found.idp("user", "enable", name)
    return signs_in(name)


def user_logout(found: Installation) -> Callable[[httpx2.Client], bool]:
    name = person(found)
    found.idp("user", "logout", name)
    effective(found, signs_in(name))
    return no(person_answers(found))


def user_passwd(found: Installation) -> Callable[[httpx2.Client], bool]:
    name = person(found)
    (found.folder / "password").write_text("quite another password\n")
    found.idp("user", "passwd", name, "--password-file", "password")
    effective(found, signs_in(name, "quite another password"))
    return no(signs_in(name))


def user_remove(found: Installation) -> Callable[[httpx2.Client], bool]:
    found.idp("user", "remove", person(found), "--yes")
    return no(person_answers(found))


def client_add(found: Installation) -> Callable[[httpx2.Client], bool]:
    return serves(service(found), found.known["secret"])


def client_disable(found: Installation) -> Callable[[httpx2.Client], bool]:
    name = service(found)
    effective(found, working := serves(name, found.known["secret"]))
    found.idp("client", "disable", name)
    return no(working)


def client_enable(found: Installation) -> Callable[[httpx2.Client], bool]:
    name = service(found)
    found.idp("client", "disable", name)
    effective(found, no(working := serves(name, found.known["secret"])))
    found.idp("client", "enable", name)
    return working


def client_secret_add(found: Installation) -> Callable[[httpx2.Client], bool]:
    name = service(found)
    fresh = found.idp("client", "secret", "add", name).split("client_secret")[1].strip()
    effective(found, serves(name, found.known["secret"]))
    return serves(name, fresh)


def client_secret_retire(found: Installation) -> Callable[[httpx2.Client], bool]:
    name = service(found)
    fresh = found.idp("client", "secret", "add", name).split("client_secret")[1].strip()
    found.idp("client", "secret", "retire", name, "--older")
    effective(found, serves(name, fresh))
    return no(serves(name, found.known["secret"]))


def client_remove(found: Installation) -> Callable[[httpx2.Client], bool]:
    name = service(found)
    found.idp("client", "remove", name, "--yes")
    return no(serves(name, found.known["secret"]))


def resource_add(found: Installation) -> Callable[[httpx2.Client], bool]:
    name = service(found, "--resource", LATE)
    effective(found, serves(name, found.known["secret"]))
    asking = serves(name, found.known["secret"], resource=LATE)
    assert not any(asking(node) for node in found.nodes)
    found.idp("resource", "add", LATE)
    return asking


def keys_revoke(found: Installation) -> Callable[[httpx2.Client], bool]:
    kid = found.idp("keys", "list", "--json").split('"kid": "')[1].split('"')[0]
    found.idp("keys", "revoke", kid)
    return lambda node: kid not in node.get("/.well-known/jwks.json").text


def apply(found: Installation) -> Callable[[httpx2.Client], bool]:
    name = f"c{uuid.uuid4().hex[:8]}"
    (found.folder / "more.toml").write_text(
        f'[[clients]]\nclient_id = "{name}"\nclient_secret = "secret-of-{name}-0123"\nscope = ""\n'
        'grant_types = ["client_credentials"]\n'
    )
    found.idp("apply", "more.toml")
    return serves(name, f"secret-of-{name}-0123")


COMMANDS = (
    user_add,
    user_disable,
    user_enable,
    user_logout,
    user_passwd,
    user_remove,
    client_add,
    client_disable,
    client_enable,
    client_secret_add,
    client_secret_retire,
    client_remove,
    resource_add,
    keys_revoke,
    apply,
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_is_in_effect_at_both_nodes_within_a_second(
    installation: Installation, command: Callable[[Installation], Callable[[httpx2.Client], bool]]
) -> None:
    effective(installation, command(installation))
