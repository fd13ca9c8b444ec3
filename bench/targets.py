"""The servers under test: how each is started, and the small table of names in which they differ."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from load import CONNECTIONS
from process import Running, command, free_port, start

HERE = Path(__file__).parent
REDIRECT_URI = "https://client.example.test/callback"
RESOURCES = {"https://es256.example.test/": "ES256", "https://rs256.example.test/": "RS256"}
ES256_RESOURCE, RS256_RESOURCE = RESOURCES
PEOPLE = tuple(f"bench-{number}" for number in range(CONNECTIONS))
SECRET = secrets.token_urlsafe(32)
PASSWORD = secrets.token_urlsafe(16)


@dataclass(frozen=True, slots=True)
class Names:
    """Paths and parameters of one server; `machine` and `person` go beside a request's usual parameters.

    `person` is what makes a person's access token an ES256 JWT; without it UserInfo accepts the token.
    """

    jwks: str
    discovery: str = "/.well-known/openid-configuration"
    token: str = "/token"
    authorize: str = ""
    userinfo: str = ""
    introspect: str = ""
    machine: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    person: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    title: str
    base: str
    names: Names
    running: Running


MACHINE_BY_RESOURCE = {alg: {"resource": resource} for resource, alg in RESOURCES.items()}
NODE = Names(
    jwks="/jwks",
    authorize="/auth",
    userinfo="/me",
    introspect="/token/introspection",
    machine=MACHINE_BY_RESOURCE,
    person={"resource": ES256_RESOURCE},
)
BARE = Names(jwks="/jwks", machine={alg: {"client_id": "machine", "alg": alg} for alg in ("ES256", "RS256")})


def node(folder: Path, core: int) -> Target:
    """node-oidc-provider on its in-memory store."""
    package = HERE / "node"
    wanted = json.loads((package / "package.json").read_text())["dependencies"]
    installed = package / "node_modules" / "oidc-provider" / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != wanted["oidc-provider"]:
        command(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=package)
    port = free_port()
    base = f"http://localhost:{port}"
    common = {"client_secret": SECRET, "token_endpoint_auth_method": "client_secret_basic"}
    machine = {"client_id": "machine", "grant_types": ["client_credentials"], "scope": "read"}
    web = {
        "client_id": "web",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [REDIRECT_URI],
        "response_types": ["code"],
        "id_token_signed_response_alg": "ES256",
    }
    clients = [{**common, **machine, "redirect_uris": [], "response_types": []}, {**common, **web}]
    settings = folder / "node.json"
    settings.write_text(json.dumps({"issuer": base, "port": port, "clients": clients, "resources": RESOURCES}))
    running = start(
        ["node", str(package / "server.mjs"), str(settings)],
        core=core,
        log=folder / "node.log",
        ready=base + NODE.discovery,
        environment={"NODE_ENV": "production"},
    )
    return Target("node", "node-oidc-provider, in memory", base, NODE, running)


def bare(folder: Path, core: int) -> Target:
    """bench/bare.py."""
    port = free_port()
    base = f"http://localhost:{port}"
    argv = [sys.executable, str(HERE / "bare.py"), str(port)]
    running = start(argv, core=core, log=folder / "bare.log", ready=base + BARE.discovery)
    return Target("bare", "bare Starlette", base, BARE, running)
