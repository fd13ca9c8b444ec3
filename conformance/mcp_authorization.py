"""modelcontextprotocol's conformance scenarios for authorization servers, against this provider.

    npm install --prefix FOLDER @modelcontextprotocol/conformance@0.2.0-alpha.12      # needs Node.js 22
    PYTHONPATH=.:tests .venv/bin/python conformance/mcp_authorization.py FOLDER [NODE]

Each round starts a provider with the profile ``mcp`` and runs every scenario of that version; where the scenario waits
for a person, one signs in. Prints a line for each check, and ends with 1 if one did not succeed.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
from support import App, Visitor
from support.document_site import document_site

from idp.testing import RunningServer, running_server

RESOURCE = "https://notes.example.com/mcp"
PACKAGE = "node_modules/@modelcontextprotocol/conformance/dist/index.js"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def scenarios(command: list[str], provider: RunningServer, folder: Path) -> None:
    """Run them; the address one of them prints is opened as a person would."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    if process.stdout is None:
        raise RuntimeError("no output to read")
    log = folder / "log"
    with log.open("wb") as kept:
        async for line in process.stdout:
            kept.write(line)
            found = re.match(rb"(http://\S+/authorize\?\S+)", line)
            if found is not None:
                visitor = Visitor(provider)
                answer = await visitor.sign_on(dict(httpx2.URL(found[1].decode()).params))
                async with httpx2.AsyncClient() as browser:
                    await browser.get(answer.url)
    await process.wait()


def checks(folder: Path) -> Iterator[Mapping[str, Any]]:
    for path in sorted(folder.rglob("checks.json")):
        yield from json.loads(path.read_text(encoding="utf-8"))


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__)
        return 2
    package, node = Path(sys.argv[1]) / PACKAGE, sys.argv[2] if len(sys.argv) == 3 else "node"
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            document_site(folder) as site,
            running_server(profile="mcp", outbound__ca_file=str(site.ca_file)) as provider,
        ):
            port = free_port()
            back = f"http://127.0.0.1:{port}/callback"
            public = App("public", back, method="none", members={"resources": [RESOURCE]})
            resource = f'[[resources]]\nuri = "{RESOURCE}"\n'
            provider.apply(f"{resource}\n{public.toml()}")
            rounds = {
                "a document": ["--client-id", site.publish(redirect_uris=[back])],
                "a document, for a resource": ["--client-id", site.url(), "--resource", RESOURCE],
                "a registered public client": ["--client-id", "public", "--resource", RESOURCE],
            }
            for title, options in rounds.items():
                results = folder / title.replace(" ", "-")
                results.mkdir()
                command = [node, str(package), "authorization", "--url", provider.issuer, "--port", str(port)]
                asyncio.run(scenarios([*command, *options, "-o", str(results)], provider, results))
                for check in checks(results):
                    bad += check["status"] != "SUCCESS"
                    print(f"{title}: {check['id']}: {check['status']} {check.get('errorMessage', '')}".rstrip())
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
