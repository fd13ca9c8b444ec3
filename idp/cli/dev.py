"""``idp dev``: the provider on this machine, with people, a client and a protected address, from one command."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble

if TYPE_CHECKING:
    from idp.app import Application
    from idp.settings import Settings

_SEED = Path(__file__).parent / "dev_seed.toml"


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), help="Port on this machine; default 8000.")
@click.option("--issuer", help="Another loopback name, for example http://id.localhost:8000.")
@click.option("--apply", "manifest", type=click.Path(path_type=Path), help="A file of clients and people of your own.")
@click.option("--demo", is_flag=True, help="Also start two web sites and an API that sign on here.")
@pass_desk
def dev(desk: Desk, port: int | None, issuer: str | None, manifest: Path | None, demo: bool) -> None:
    """Start a provider on this machine: people, a client and /hello are there."""
    from idp.cli.running import run
    from idp.keyring import KeyringError
    from idp.settings import load
    from idp.watch.logs import configure

    settings = load(None, desk.environ, "dev", {"listen_port": port, "issuer": issuer})
    configure(settings.log_format, settings.log_level)

    async def seed(application: Application) -> None:
        await _seed(application, manifest, demo)

    async def ready(application: Application) -> None:
        _welcome(settings, demo)
        # Told by another process, so it must be able to ask this one meanwhile.
        application.background = asyncio.create_task(_first_token(application))

    with _demo_process(settings) if demo else contextlib.nullcontext():
        try:
            run(settings, ready, before=seed)  # who waits for /readyz finds alice
        except KeyringError as error:
            raise Trouble(error.rule, received=error.received, expected=error.expected, mend=error.mend) from None


async def _seed(application: Application, manifest: Path | None, demo: bool) -> None:
    import msgspec

    from idp.control.operations import run
    from idp.manifest import read_manifest

    files = [_SEED]
    if demo:
        files.append(demo_folder() / "demo.toml")
    if manifest is not None:
        files.append(manifest)
    types = sorted(application.server.response_types)
    for path in files:
        asked = msgspec.to_builtins(read_manifest(path, response_types=types), builtin_types=(bytes,))
        await run(application.server, "apply", {"manifest": asked})


def _welcome(settings: Settings, demo: bool) -> None:
    say.line(click.style(f"idp dev  {settings.issuer}", bold=True))
    say.line("  people    alice, bob (the password is the name)    client  sample")
    if settings.account_page:
        say.line(f"  account   {settings.issuer}/account    what each of them sees of their own sign-ins and apps")
    say.line(f"  data      {settings.data_dir}    for development on this machine only")
    if demo:
        say.line("  demo      http://app-a.localhost:8001  http://app-b.localhost:8002  sign in at one, open the other")


async def _first_token(application: Application) -> None:
    """A token, its three parts in words, and the proof that another process needs the public key alone."""
    from idp.control.operations import run

    server = application.server
    answer = await run(server, "token", {"person": "alice"})
    token = str(answer["access_token"])
    header, payload, signature = token.split(".")
    say.line()
    say.line("A token for alice, in three parts:")
    for part, colour, words in (
        (header, "cyan", "header: which key signed it, and how"),
        (payload, "green", "payload: who, for whom, until when; signed, not encrypted"),
        (signature, "magenta", "signature: only the private key can make it, the public key checks it"),
    ):
        say.line(f"  {click.style(part, fg=colour)}")
        say.line(f"    {words}")
    kid = await _verified_elsewhere(server.issuer, token)
    say.line()
    if kid is not None:
        say.line(click.style(f"verified with public key kid={kid} by another process", fg="green"))
    else:
        say.line(click.style("another process could not verify it: see the log above", fg="red"))
    say.next_commands(
        (f"curl -i {server.issuer}/hello", "401: read why"),
        ("T=$(idp token alice)", "a token of your own"),
        (f'curl -i -H "Authorization: Bearer $T" {server.issuer}/hello', "200"),
    )


_VERIFY = """
import sys
from idp.verify import Verifier
issuer, token = sys.argv[1], sys.stdin.read()
print(Verifier(issuer, issuer).verify_sync(token).header["kid"])
"""


async def _verified_elsewhere(issuer: str, token: str) -> str | None:
    """The ``kid``, as a process that knows nothing but the issuer's address found it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _VERIFY,
        issuer,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(token.encode())
    return output.decode().strip() if process.returncode == 0 else None


def demo_folder() -> Path:
    """``idp/demo`` of an installed wheel, else ``examples/sso`` of the checkout."""
    import idp

    package = Path(idp.__file__).parent
    inside = package / "demo"
    return inside if inside.is_dir() else package.parent / "examples" / "sso"


@contextlib.contextmanager
def _demo_process(settings: Settings) -> Iterator[None]:
    """The two sites and the API in a process of their own, which ends when we do: its standard input is our pipe."""
    command = [sys.executable, str(demo_folder()), "--issuer", settings.issuer, "--until-eof"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)  # noqa: S603 - our own file
    try:
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
