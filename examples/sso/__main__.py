"""All of the demo in one process: ``python examples/sso`` (or ``idp dev --demo``, which starts this too).

Reads demo.toml for what the provider knows of each site, so that the two cannot disagree. With --until-eof it
ends when its standard input does: whoever started it through a pipe cannot leave it behind.
"""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import relying_party
import resource_server
import uvicorn
from starlette.applications import Starlette

from idp.verify import Verifier

Program = tuple[str, int, Starlette]  # what is printed when it runs, its port, itself


def programs(issuer: str, manifest: Path) -> list[Program]:
    """The API and every site of the apply file."""
    asked = tomllib.loads(manifest.read_text(encoding="utf-8"))
    api = asked["resources"][0]
    verifier = Verifier(issuer, api["uri"], jwks_uri=f"{issuer}/.well-known/jwks.json")
    found = [(f"{api['name']} for {api['uri']}", port_of(api["uri"]), resource_server.create(verifier))]
    for client in asked["clients"]:
        if client.get("redirect_uris"):
            settings = relying_party.registered(client["client_id"], issuer, manifest)
            site = relying_party.create(settings)
            found.append((f"{settings.name} at {settings.origin}", port_of(settings.origin), site))
    return found


def port_of(address: str) -> int:
    return urlsplit(address).port or 80


class Announced(uvicorn.Server):
    """Says its name once it accepts connections. Signals are the process's affair, not one server's."""

    def __init__(self, name: str, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.name = name

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self.name, flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(found: list[Program], until_eof: bool) -> None:
    """Run all of them until one stops, a signal comes or standard input ends."""
    loop, servers = asyncio.get_running_loop(), []
    for name, port, app in found:
        config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off")
        servers.append(Announced(name, config))

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if until_eof:
        await loop.connect_read_pipe(lambda: _UntilEnd(stop), sys.stdin)
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    stop()
    await asyncio.wait(tasks)
    for task in done:
        task.result()


class _UntilEnd(asyncio.Protocol):
    def __init__(self, at_end: Callable[[], None]) -> None:
        self.at_end = at_end

    def connection_lost(self, error: Exception | None) -> None:
        self.at_end()


def main() -> None:
    parser = argparse.ArgumentParser(description="Two sites and an API that use the provider.")
    parser.add_argument("--issuer", default="http://localhost:8000")
    parser.add_argument("--manifest", type=Path, default=relying_party.MANIFEST)
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    chosen = parser.parse_args()
    asyncio.run(serve(programs(chosen.issuer, chosen.manifest), chosen.until_eof))


if __name__ == "__main__":
    main()
