"""`idp serve` on SQLite as a target: its settings, key and manifest, made fresh for each run."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from process import command, free_port, start
from targets import MACHINE_BY_RESOURCE, PASSWORD, PEOPLE, REDIRECT_URI, RESOURCES, SECRET, Names, Target

IDP = str(Path(sys.executable).with_name("idp"))
OURS = Names(
    jwks="/.well-known/jwks.json",
    authorize="/authorize",
    userinfo="/userinfo",
    introspect="/introspect",
    machine=MACHINE_BY_RESOURCE,
)


def ours(
    synchronous: str, idp: Sequence[str] = (IDP,), *, database: str = "", workers: int = 1, name: str = ""
) -> Callable[[Path, int], Target]:
    """`idp serve` with that `synchronous` setting on SQLite, or on the PostgreSQL at the URL `database`.

    `idp` is how the server's command begins.
    """
    name = name or f"idp-{synchronous.lower()}"

    def launch(folder: Path, core: int) -> Target:
        port = free_port()
        base = f"http://localhost:{port}"
        data = folder / name
        data.mkdir()
        key, settings, manifest = data / "kek", data / "settings.toml", data / "manifest.toml"
        key.touch(mode=0o600)
        key.write_text("idp-kek-1:" + secrets.token_urlsafe(32))
        settings.write_text(
            f'issuer = "{base}"\nlisten_port = {port}\ndata_dir = "{data}"\nsynchronous = "{synchronous}"\n'
            f'key_encryption_key_file = "{key}"\n' + (f'database = "{database}"\n' if database else "")
        )
        manifest.write_text(MANIFEST)
        environment = {"IDP_SETTINGS": str(settings)}
        command([IDP, "migrate"], environment=environment)
        command([IDP, "apply", str(manifest)], environment=environment)
        running = start(
            [*idp, "serve", "--config", str(settings), "--workers", str(workers)],
            core=core,
            log=data / "serve.log",
            ready=base + OURS.discovery,
        )
        return Target(name, f"idp, {synchronous}", base, OURS, running)

    return launch


def person(name: str) -> str:
    return f"""
[[people]]
username = "{name}"
password = "{PASSWORD}"
name = "{name}"
email = "{name}@example.test"
email_verified = true
"""


def api(uri: str, alg: str) -> str:
    return f"""
[[resources]]
uri = "{uri}"
access_token_signed_response_alg = "{alg}"
scopes = ["read"]
"""


MANIFEST = (
    f"""
[[scopes]]
name = "read"

[[clients]]
client_id = "machine"
client_secret = "{SECRET}"
grant_types = ["client_credentials"]
scope = "read"
resources = {json.dumps(list(RESOURCES))}

[[clients]]
client_id = "web"
client_secret = "{SECRET}"
grant_types = ["authorization_code", "refresh_token"]
redirect_uris = ["{REDIRECT_URI}"]
scope = "openid profile email offline_access"
id_token_signed_response_alg = "ES256"
access_token_signed_response_alg = "ES256"
"""
    + "".join(api(uri, alg) for uri, alg in RESOURCES.items())
    + "".join(person(name) for name in PEOPLE)
)
