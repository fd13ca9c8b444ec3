"""Turn the runs into figures: medians, ratios against the peer and the goals, one table, one JSON file."""

from __future__ import annotations

import json
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from load import CONNECTIONS, Measured
from scenarios import SCENARIOS, Scenario

Runs = Mapping[str, Mapping[str, Sequence[Measured]]]
PEER, BOUND = "node", "bare"


def middle(runs: Sequence[Measured], member: str) -> float:
    return median(float(getattr(run, member)) for run in runs)


def summary(runs: Runs) -> dict[str, dict[str, dict[str, float]]]:
    """scenario -> server -> medians over the rounds, with ratios to the peer and to bare Starlette."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for scenario, servers in runs.items():
        rows = figures.setdefault(scenario, {})
        for server, measured in servers.items():
            members = ("rate", "p50_ms", "p99_ms", "server_us", "server_busy", "load_busy")
            rows[server] = {member: middle(measured, member) for member in members}
            rows[server]["spread"] = spread(measured)
        for row in rows.values():
            for name in (PEER, BOUND):
                if name in rows:
                    row[f"to_{name}"] = row["rate"] / rows[name]["rate"]
                    row[f"cpu_to_{name}"] = rows[name]["server_us"] / max(row["server_us"], 0.001)
    return figures


def spread(measured: Sequence[Measured]) -> float:
    """(fastest - slowest) / median of the rates."""
    rates = [run.rate for run in measured]
    return (max(rates) - min(rates)) / median(rates)


def table(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    lines = [
        "| scenario | server | per second | p50 ms | p99 ms | x node | x bare "
        "| CPU us each | CPU x node | server busy | load busy | spread |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for scenario in SCENARIOS:
        for server, row in figures.get(scenario.key, {}).items():
            lines.append(
                f"| {scenario.title} | {server} "
                f"| {row['rate']:,.0f} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} "
                f"| {ratio(row, 'to_node')} | {ratio(row, 'to_bare')} | {row['server_us']:.0f} "
                f"| {ratio(row, 'cpu_to_node')} | {row['server_busy']:.0%} | {row['load_busy']:.0%} "
                f"| {row['spread']:.0%} |"
            )
    return "\n".join(lines)


def ratio(row: Mapping[str, float], member: str) -> str:
    return f"{row[member]:.2f}" if member in row else ""


def verdicts(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """One line per goal: reached, or by how much not."""
    lines = []
    for scenario in SCENARIOS:
        for server, row in figures.get(scenario.key, {}).items():
            if server.startswith("idp") and "to_node" in row:
                lines.append(verdict(scenario, server, row["to_node"], row["cpu_to_node"]))
    return lines


def verdict(scenario: Scenario, server: str, reached: float, by_cpu: float) -> str:
    if reached >= scenario.aim:
        word = "aim reached"
    elif reached >= scenario.floor:
        word = f"floor reached, {1 - reached / scenario.aim:.0%} short of the aim"
    else:
        word = f"BELOW THE FLOOR by {1 - reached / scenario.floor:.0%}"
    goal = f"floor {scenario.floor}, aim {scenario.aim}"
    return f"{scenario.title}, {server}: {reached:.2f}x node, by CPU {by_cpu:.2f}x ({goal}): {word}"


def unquiet(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A warning when the peer, which waits for nothing but its core, did not get its core."""
    starved = [key for key, rows in figures.items() if PEER in rows and rows[PEER]["server_busy"] < 0.9]
    if not starved:
        return ""
    return (
        f"The machine was not quiet: {PEER} had under 90 % of its core in {', '.join(starved)}. "
        "Read the ratios by CPU there, or run again."
    )


def save(folder: Path, runs: Runs, failures: Sequence[str], settings: Mapping[str, float]) -> Path:
    now = datetime.now(UTC)
    path = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    raw = {
        key: {server: [asdict(run) for run in measured] for server, measured in servers.items()}
        for key, servers in runs.items()
    }
    content = {
        "at": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "connections": CONNECTIONS,
        **settings,
        "failures": list(failures),
        "medians": summary(runs),
        "runs": raw,
    }
    path.write_text(json.dumps(content, indent=1))
    return path


def machine() -> dict[str, str]:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    node = subprocess.run(["node", "--version"], capture_output=True, text=True)
    packages = ("starlette", "uvicorn", "uvloop", "httptools", "cryptography", "sqlalchemy")
    return {
        "cpu": model.partition(":")[2].strip(),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "node": node.stdout.strip(),
        **{name: version(name) for name in packages},
    }
