"""docs/adapters.md: each program runs as printed, for a token of a real provider and without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doc_blocks import ROOT, Block, blocks, missing
from starlette.testclient import TestClient

from idp.testing import RunningServer, running_server

PAGE = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
API, ISSUER = "https://api.example.com", "https://id.example.com"
MANIFEST = f"""
[[scopes]]
name = "notes:read"
description = "Read your notes"

[[resources]]
uri = "{API}"
name = "Notes"
scopes = ["notes:read"]

[[clients]]
client_id = "notes-cli"
token_endpoint_auth_method = "none"
application_type = "native"
redirect_uris = ["http://127.0.0.1/callback"]
scope = "openid notes:read"
resources = ["{API}"]
"""
# Asked of the Django project in its own process: Django can be set up only once in one.
DJANGO = """
import json, sys, django
from django.core.management import call_command
django.setup()
call_command("migrate", verbosity=0)
from django.contrib.auth import get_user_model
from django.test import Client
for token in json.loads(sys.argv[1]):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    found = Client().get("/notes", headers=headers)
    challenge = found.headers.get("www-authenticate", "")
    print(json.dumps([found.status_code, challenge, found.json(), get_user_model().objects.count()]))
"""


def programs(section: str) -> list[Block]:
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [block for block in blocks(text) if block.language == "python"]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as found:
        found.apply(MANIFEST)
        yield found


@pytest.fixture(scope="module")
def good(server: RunningServer) -> str:
    return str(server.control("token", person="alice", client="notes-cli", resource=[API])["access_token"])


def run(server: RunningServer, section: str) -> Any:
    """The application of the section's one program."""
    (program,) = programs(section)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile("\n".join(program.lines).replace(ISSUER, server.issuer), section, "exec"), names)
    return names["app"]


@pytest.mark.parametrize("section", ["ASGI", "Starlette", "FastAPI"])
def test_the_program_takes_good_tokens_alone(server: RunningServer, good: str, section: str) -> None:
    client = TestClient(run(server, section))
    found = client.get("/notes", headers={"authorization": f"Bearer {good}"})
    assert (found.status_code, found.json()) == (200, {"you": "alice"}), found.text
    refused = client.get("/notes")
    assert (refused.status_code, refused.headers["www-authenticate"][:6]) == (401, "Bearer")
    if section == "ASGI":
        assert client.get("/.well-known/oauth-protected-resource").json()["authorization_servers"] == [server.issuer]
        assert client.get("/healthz").status_code == 404, "the path is open, and the application has none there"
    if section == "FastAPI":
        assert client.delete("/notes", headers={"authorization": f"Bearer {good}"}).status_code == 403


def test_flask(server: RunningServer, good: str) -> None:
    client = run(server, "Flask").test_client()
    assert client.get("/notes", headers={"authorization": f"Bearer {good}"}).get_json() == {"you": "alice"}
    preflight = {"origin": "http://localhost:5173", "access-control-request-method": "GET"}
    assert client.options("/notes", headers=preflight).status_code == 200
    assert client.get("/notes").status_code == 401


def test_a_refusal_is_as_shown(server: RunningServer) -> None:
    client = TestClient(run(server, "Starlette"))
    found = client.get("/notes", headers={"authorization": f"Bearer {server.token_for('alice')}"})
    seen = [f"HTTP/1.1 {found.status_code} {found.reason_phrase}"]
    seen += [f"{name}: {value}" for name, value in found.headers.items()]
    (shown,) = [block.lines for block in blocks(PAGE) if block.language == "text"]
    assert missing(shown, [*seen, found.text], {}) is None, [*seen, found.text]


@pytest.mark.parametrize("mapped", [False, True], ids=["by sub", "by a row"])
def test_django(server: RunningServer, good: str, tmp_path: Path, mapped: bool) -> None:
    rest = """
SECRET_KEY = "not-used-for-any-token"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
    settings, views, people, users = programs("Django REST framework")
    text = ["\n".join(block.lines) for block in (settings, *([users] if mapped else []))]
    files = {
        "settings.py": "\n".join([*text, rest]).replace(ISSUER, server.issuer),
        "views.py": "\n".join(views.lines),
        "people.py": "\n".join(people.lines),
        "urls.py": "from django.urls import path\nimport views\nurlpatterns = [path('notes', views.Notes.as_view())]\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", DJANGO, json.dumps([good, None])],
        cwd=tmp_path,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    taken, refused = map(json.loads, done.stdout.splitlines())
    assert taken == [200, "", {"you": 1 if mapped else "alice"}, int(mapped)]
    assert refused[:2] == [401, "Bearer"]
