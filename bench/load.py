"""Drive wrk: write its state file, pin it to the other core, read back what it counted."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from process import BenchError, Running

CONNECTIONS = 16
LUA = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class Request:
    """One request sent unchanged for the whole run."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a trip, and what its answer must be.

    The value taken from the answer before stands between `before` and `after` in the body. `contains` and
    `take` are Lua patterns, looked for in the Location header or in the body (`where`).
    """

    method: str
    path: str
    headers: Mapping[str, str]
    status: int
    or_status: int
    where: str
    contains: Sequence[str]
    take: str | None = None
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Trip:
    """The steps one connection repeats, and the value its first step starts from."""

    steps: Sequence[Step]
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. Rates per second, times in milliseconds, processor time in microseconds per unit of work."""

    rate: float
    p50_ms: float
    p99_ms: float
    units: int
    failed: int
    first_failure: str
    server_us: float
    server_busy: float
    load_busy: float


def run(
    work: Request | Sequence[Trip], *, base: str, server: Running, core: int, seconds: float, state: Path
) -> Measured:
    """Load `server` at `base` for `seconds` over 16 connections from `core`."""
    if isinstance(work, Request):
        script, threads, path = "plain.lua", 1, work.path
        state.write_text("return " + lua({"method": work.method, "headers": work.headers, "body": work.body}))
    else:
        script, threads, path = "trips.lua", CONNECTIONS, work[0].steps[0].path
        state.write_text("return " + lua({"connections": [trip_table(trip) for trip in work]}))
    argv = ["taskset", "-c", str(core), "wrk", f"-t{threads}", f"-c{CONNECTIONS}"]
    argv += [f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(LUA / script), base + path]
    environment = {**os.environ, "BENCH_STATE": str(state), "LUA_PATH": f"{LUA}/?.lua;;"}
    server_before, load_before = server.cpu_seconds(), children_seconds()
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=seconds + 60)
    server_used, load_used = server.cpu_seconds() - server_before, children_seconds() - load_before
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if done.returncode or line is None:
        raise BenchError(f"wrk ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return measured(json.loads(line.removeprefix("RESULT ")), server_used, load_used)


def measured(seen: Mapping[str, float | Mapping[str, float]], server_used: float, load_used: float) -> Measured:
    trips = seen["trips"]
    failed, first, counted = int(number(seen["failed"])), "", seen
    if isinstance(trips, Mapping):
        failed, first, counted = failed + int(trips["refused"]), str(trips["first_refusal"]), trips
    units = int(number(counted["completed" if counted is trips else "requests"]))
    elapsed = number(seen["seconds"])
    return Measured(
        rate=units / elapsed,
        p50_ms=number(counted["p50_us"]) / 1000,
        p99_ms=number(counted["p99_us"]) / 1000,
        units=units,
        failed=failed,
        first_failure=first,
        server_us=server_used / max(units, 1) * 1e6,
        server_busy=server_used / elapsed,
        load_busy=load_used / elapsed,
    )


def number(value: object) -> float:
    if not isinstance(value, int | float):
        raise BenchError(f"wrk's result holds {value!r} where a number was expected")
    return float(value)


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def trip_table(trip: Trip) -> dict[str, object]:
    return {"value": trip.value, "steps": [asdict(step) for step in trip.steps]}


def lua(value: object) -> str:
    """A Python value as a Lua table constructor; None members are left out."""
    if isinstance(value, Mapping):
        members = (f"[{lua(key)}]={lua(member)}" for key, member in value.items() if member is not None)
        return "{" + ",".join(members) + "}"
    if isinstance(value, str):
        if not (value.isascii() and value.isprintable()):
            raise BenchError(f"not plain ASCII, so not a Lua string that JSON escaping can write: {value!r}")
        return json.dumps(value)
    if isinstance(value, Sequence):
        return "{" + ",".join(lua(member) for member in value) + "}"
    return "nil" if value is None else json.dumps(value)


def pattern(text: str) -> str:
    """`text` as a Lua pattern that matches exactly it."""
    return "".join(c if c.isalnum() else f"%{c}" for c in text)
