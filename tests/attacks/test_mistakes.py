"""Mistakes every integrator makes once: each is answered with its registered word and a safe sentence, and tells the
operator rule, received, expected and how to mend it, under one id, with no secret anywhere.
"""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path

import httpx2
import pytest
from attack_support import Browser, World, answer_of
from attack_world import (
    CHALLENGE,
    SECRETS,
    VERIFIER,
    redeeming,
)
from mistakes import MISTAKES, Mistake

import idp

pytestmark = pytest.mark.anyio


# What every refusal in the source has to name; a person's own no is no mistake.
PARTS = {"rule", "received", "expected", "mend"}
REFUSALS = {
    "Refused": PARTS,
    "Sent": PARTS,
    "Shown": PARTS,
    "invalid_client": PARTS - {"rule"},
    "invalid_grant": PARTS - {"rule"},
}


def test_every_refusal_in_the_source_names_its_parts() -> None:
    seen = 0
    for path in Path(idp.__file__).parent.rglob("*.py"):
        if path.parent.name == "verify":  # a resource server's refusals are of another kind
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in REFUSALS:
                continue
            given = {keyword.arg for keyword in node.keywords}
            first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
            seen += 1
            if None not in given and first != "access_denied":
                assert not REFUSALS[node.func.id] - given, f"{path.name}:{node.lineno}"
    assert seen > 30


def test_there_are_at_least_forty() -> None:
    assert len(MISTAKES) >= 40


def operators_line(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """The last refusal of the log, taken apart."""
    lines = [record.getMessage() for record in caplog.records if record.name == "idp.refusals"]
    assert lines, "the operator was not told"
    parts = [part.partition(": ") for part in lines[-1].split(" | ")[1:]]
    return {name: text for name, _, text in parts}


def shown_text(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page))


def told_client(response: httpx2.Response) -> tuple[str, str]:
    """The word and the sentence, however the answer came."""
    if "location" in response.headers:
        members = answer_of(response)
        return members["error"], members["error_description"]
    if response.headers["content-type"] == "application/json":
        members = response.json()
        return members["error"], members["error_description"]
    code = re.search(r'id="error-code">([^<]+)<', response.text)
    sentence = re.search(r'id="error-sentence"[^>]*>(?:<bdi>)?([^<]+)<', response.text)
    assert code is not None, response.text[:500]
    assert sentence is not None
    return code.group(1), html.unescape(sentence.group(1))


async def judge(world: World, caplog: pytest.LogCaptureFixture, mistake: Mistake) -> None:
    caplog.clear()
    response = await mistake.happens(world, world.browser())
    assert response.status_code in (303, 400, 401, 403, 415), response.text[:300]

    error, sentence = told_client(response)
    assert error == mistake.error
    assert len(sentence.split()) >= 3
    assert all(" " <= character <= "~" and character not in '"\\' for character in sentence)

    line = operators_line(caplog)
    assert line["error"] == error
    assert line["description"] == sentence
    for part in ("rule", "received", "expected", "mend"):
        assert line.get(part), f"no {part}: {line}"
    assert mistake.received in line["received"], line
    assert mistake.expected in line["expected"], line
    assert line["received"] != line["expected"]

    assert re.fullmatch(r"[A-Za-z0-9_-]{8,}", line["id"])
    if response.headers.get("content-type", "").startswith("text/html"):
        text = shown_text(response.text)
        assert line["id"] in text
        for part in ("rule", "received", "expected", "mend"):
            assert line[part] in text, f"{part} is not on the page"
    elif response.status_code != 303:
        assert response.headers["x-correlation-id"] == line["id"]

    said = f"{line} {response.text} {response.headers}"
    for secret in (*SECRETS.values(), VERIFIER, CHALLENGE, *world.issued):
        assert secret not in said


# These wait, so each has a clock of its own.
IN_TIME = {"a late code", "a refresh token unused for a day", "an expired token"}


@pytest.mark.parametrize("name", [name for name in MISTAKES if name not in IN_TIME])
async def test_mistake(world: World, caplog: pytest.LogCaptureFixture, name: str) -> None:
    await judge(world, caplog, MISTAKES[name])


@pytest.mark.parametrize("name", sorted(IN_TIME))
async def test_mistake_of_time(fresh: World, caplog: pytest.LogCaptureFixture, name: str) -> None:
    await judge(fresh, caplog, MISTAKES[name])


async def test_every_id_is_its_own(world: World, browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    numbers = set()
    for _ in range(5):
        await browser.ask(redirect_uri="x")
        numbers.add(operators_line(caplog)["id"])
        answer = await world.post("/token", redeeming("x"), "web")
        numbers.add(answer.headers["x-correlation-id"])
    assert len(numbers) == 10
