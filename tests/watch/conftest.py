"""The log as an operator would read it, and ``idp serve`` as a process of its own."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watch_support import Lines, Serving

from idp.watch.logs import JsonFormatter


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What this process logged so far, each line read as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    log = logging.getLogger("idp")
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    log.removeHandler(handler)
    log.setLevel(level)


@pytest.fixture
def serve(tmp_path: Path, free_port: Callable[[], int]) -> Serving:
    return Serving(tmp_path, free_port())
