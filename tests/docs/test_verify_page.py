"""docs/verify.md: its short blocks run, its table of defaults is the code's (its programs: test_protocol_pages.py)."""

from __future__ import annotations

import inspect
import re
from typing import Any

from doc_blocks import ROOT, blocks

from idp.jose.jwks_rules import CacheLimits
from idp.verify import Dpop, Introspection, SyncVerifier, Verifier
from idp.verify.fetch import MAX_BODY, TIMEOUT
from idp.verify.keysource import cache_limits

PAGE = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")


def test_the_short_blocks_run() -> None:
    names: dict[str, Any] = {"Verifier": Verifier}
    for block in blocks(PAGE):
        if block.language == "python" and not block.lines[0].startswith("# "):
            exec("\n".join(block.lines), names)
    assert {"keycloak", "dex", "hydra"} <= set(names)


def test_the_table_of_defaults() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \|", PAGE.partition("## Defaults")[2], re.MULTILINE)
    told = {name: value for names, value in rows for name in re.findall(r"`(\w+)`", names)}
    parameters = inspect.signature(SyncVerifier).parameters
    assert set(told) == set(parameters) - {"issuer", "audience"}
    numbers = {name: told[name] for name in ("leeway", "cooldown", "stale_if_error", "cached_tokens")}
    for name, value in numbers.items():
        assert float(value.replace(",", "").removesuffix(" s")) == parameters[name].default, name
    for name in ("algorithms", "typ", "dpop", "introspection", "resource", "required_claims"):
        assert told[name].strip("`").replace('"', "'") in (repr(parameters[name].default), "Dpop()"), name
    assert parameters["dpop"].default == Dpop()


def test_the_numbers() -> None:
    limits = cache_limits(30, 43_200)
    assert limits == CacheLimits()
    for number, words in (
        (limits.default_age, "5 minutes\n  where they say nothing"),
        (limits.uncached_age, "30 s where they forbid caching"),
        (limits.stale, "serve on for 12 hours"),
        (limits.most_retry, "up to 30 s"),
        (MAX_BODY, "64 KiB"),
        (TIMEOUT, "no proxy, 5 s"),
        (Introspection("a").cache, "counts for 30 s"),
    ):
        assert words in PAGE, words
        figure = re.findall(r"\d+", words)[0]
        assert number in (float(figure), float(figure) * 60, float(figure) * 3600, float(figure) * 1024), words
