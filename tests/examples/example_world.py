"""One provider, one API and the browser apps, as long as a worker lives; each test signs in a person of its own."""

from __future__ import annotations

import itertools
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from built_apps import EXAMPLES, built, served
from notes_api import NotesApi, running_api
from processes import backend, idp_dev

PORTS = {"react": 5173, "vue": 5174, "angular": 4200, "bff": 8005}
API = "http://localhost:8001"  # its name in tokens, wherever it listens
PEOPLE = 40


@dataclass
class World:
    """Apps are started when first asked for. Files of theirs and of the provider are in ``folder``."""

    issuer: str
    api: NotesApi
    ports: dict[str, int]
    folder: Path
    stack: ExitStack
    people: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    up: set[str] = field(default_factory=set)

    def person(self) -> str:
        return f"person{next(self.people)}"

    def app(self, name: str, host: str = "localhost") -> str:
        """Its address. ``elsewhere.localhost`` is another site to a browser than the provider's ``localhost``."""
        if name not in self.up:
            api, port = f"http://localhost:{self.ports['api']}", self.ports[name]
            if name == "bff":
                program = backend(self.folder, port, api=api, issuer=self.issuer)
            else:
                program = served(built(name), port, api=api, issuer=self.issuer)
            self.stack.enter_context(program)
            self.up.add(name)
        return f"http://{host}:{self.ports[name]}"


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    issuer, *others = free_ports(2 + len(PORTS))
    ports = dict(zip(("api", *PORTS), others, strict=True))
    with ExitStack() as stack:
        where = stack.enter_context(idp_dev(folder, issuer, manifest(ports)))
        origins = [f"http://{host}:{ports[name]}" for name in PORTS for host in ("localhost", "elsewhere.localhost")]
        api = stack.enter_context(running_api(where, ports["api"], API, origins))
        yield World(where, api, ports, folder, stack)


def manifest(ports: dict[str, int]) -> str:
    """The examples' own files as one: the API they share is named once, and addresses have this world's ports."""
    clients = []
    for name, known in PORTS.items():
        text = (EXAMPLES / name / "idp.toml").read_text(encoding="utf-8")
        own, shared = text.split("[[resources]]")
        own = own.replace(f"localhost:{known}", f"localhost:{ports[name]}")
        # Each has a second home, on another site than the provider's.
        clients.append(re.sub(r'_uris = \["http://localhost(.*?)"', r'\g<0>, "http://elsewhere.localhost\1"', own))
    names = [f"person{number}" for number in range(1, PEOPLE + 1)]
    people = [f'[[people]]\nusername = "{name}"\npassword = "{name}"\nname = "Alice Archer"\n' for name in names]
    return "\n".join([*clients, "[[resources]]", shared, *people])


def free_ports(count: int) -> list[int]:
    """All held at once, so that they differ."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
