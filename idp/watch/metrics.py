"""The metrics in Prometheus's text format, on a listener of their own.

``prometheus_client`` decides at its import whether what it counts lives in this process or in files that several share.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


def share(folder: Path) -> None:
    """Several processes add up what they count in ``folder``. Before any of them begins to."""
    os.environ[DIRECTORY] = str(folder)


def forget(pid: int) -> None:
    """A process of them ended: what it counted stays, what it held goes."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def exposition() -> ASGIApp:
    """``GET /metrics`` and nothing else."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found = scope["path"] == "/metrics" and scope["method"] in ("GET", "HEAD")
        body = generate_latest(_gathered()) if found else b"The metrics are at /metrics.\n"
        kind = CONTENT_TYPE_LATEST if found else "text/plain; charset=utf-8"
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app


def _gathered() -> Any:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    if DIRECTORY not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together
