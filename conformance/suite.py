"""The suite's REST interface, as much of it as a run needs."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ENDED = ("FINISHED", "INTERRUPTED")
LOOK_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    variant: Mapping[str, str]

    @property
    def id(self) -> str:
        extra = ",".join(f"{name}={value}" for name, value in sorted(self.variant.items()))
        return f"{self.name}({extra})" if extra else self.name


@dataclass(frozen=True, slots=True)
class Outcome:
    """``result`` is the suite's word; ``complaints`` its warnings and failures, each condition with its message."""

    status: str
    result: str
    complaints: tuple[str, ...]
    log: str
    seconds: float


class Suite:
    """A running suite. ``ca_file`` holds the certificate it is trusted by, ``token`` what a suite with logins wants."""

    def __init__(self, base_url: str, ca_file: Path | None = None, token: str | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        trusted = ssl.create_default_context(cafile=ca_file)
        self._http = httpx2.Client(
            base_url=self.base_url, verify=trusted, headers=headers, timeout=60, trust_env=False
        )

    def version(self) -> str:
        answer = self._http.get("/api/server")
        return str(answer.json().get("version", "")) if answer.status_code == 200 else ""

    def new_plan(self, plan: str, variant: Mapping[str, str], config: Mapping[str, Any]) -> tuple[str, list[Module]]:
        """Its id and its modules in order."""
        query = {"planName": plan, "variant": json.dumps(variant)}
        made = self._taken("POST", "/api/plan", params=query, json=config)
        modules = [Module(one["testModule"], one.get("variant") or {}) for one in made["modules"]]
        return str(made["id"]), modules

    def run(self, plan: str, module: Module, seconds: float, ready: Callable[[], None]) -> Outcome:
        """Start one module and see it to its end. ``ready`` does what one that does not start by itself waits for."""
        query = {"test": module.name, "plan": plan, "variant": json.dumps(module.variant)}
        begun = time.monotonic()
        run = str(self._taken("POST", "/api/runner", params=query)["id"])
        while True:
            info = self._taken("GET", f"/api/info/{run}")
            if info["status"] in ENDED:
                break
            if info["status"] == "CONFIGURED":
                ready()
                self._taken("POST", f"/api/runner/{run}")
            if time.monotonic() > begun + seconds:
                self._http.delete(f"/api/runner/{run}")
                late = f"not at its end after {seconds:g} s"
                return Outcome("TIMEOUT", "FAILED", (late, *self._said(run)), run, seconds)
            time.sleep(LOOK_EVERY)
        complaints = self._said(run)
        return Outcome(info["status"], str(info.get("result")), complaints, run, time.monotonic() - begun)

    def log_address(self, run: str) -> str:
        return f"{self.base_url}/log-detail.html?log={run}"

    def _said(self, run: str) -> tuple[str, ...]:
        entries = self._taken("GET", f"/api/log/{run}")
        return tuple(
            f"{entry['result']} {entry.get('src', '')}: {entry.get('msg', '')}"
            for entry in entries
            if entry.get("result") in ("WARNING", "FAILURE", "INTERRUPTED")
        )

    def _taken(self, method: str, path: str, **content: Any) -> Any:
        answer = self._http.request(method, path, **content)
        if answer.status_code not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:2000]}")
        return answer.json() if answer.content else {}
