"""`make bench-scale`: two workers on PostgreSQL, an empty database and a full one in turn; then sweeping under load.

Usage: python bench/scale.py [--seconds 5] [--rounds 5] [--people 1000000] [--clients 100000] [--families 1000000]
Ends with 1 when a figure misses its target. Servers and PostgreSQL share one core, the load has the other: the figures
are ratios and costs, not what a machine can do at most (docs/scale.md does that arithmetic).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import load
from cluster import Cluster, cluster
from filling import fill, fill_families
from ours import ours
from process import BenchError, cores
from run import send
from scenarios import SCENARIOS, Scenario
from visitor import Visitor

RESULTS = Path(__file__).parent / "results"
MEDIAN, P99, SWEEPING = 1.15, 1.5, 1.2
EMPTY, FULL = "idp_empty", "idp_full"
SWEPT_UNDER = "refresh"


class Scale:
    """Two servers alike but for what their database holds."""

    def __init__(self, databases: Cluster, folder: Path, load_core: int, options: argparse.Namespace) -> None:
        self.databases, self.folder, self.load_core, self.options = databases, folder, load_core, options
        self.visitors: dict[str, Visitor] = {}
        self.runs: dict[str, dict[str, list[load.Measured]]] = {}
        self.database_us: dict[str, list[float]] = {}
        self.missed: list[str] = []

    def launch(self, core: int) -> None:
        for name in (EMPTY, FULL):
            self.databases.sql(f"CREATE DATABASE {name}")
            target = ours("FULL", database=self.databases.url(name), workers=2, name=name)(self.folder, core)
            self.visitors[name] = Visitor(target)
        started = time.monotonic()
        wanted = self.options
        fill(self.databases, FULL, people=wanted.people, clients=wanted.clients, families=wanted.families)
        print(f"filled in {time.monotonic() - started:.0f} s", flush=True)

    def measure(self, scenario: Scenario, name: str, seconds: float) -> load.Measured:
        visitor = self.visitors[name]
        work, check = scenario.prepare(visitor)
        before = self.databases.cpu_seconds()
        found = load.run(
            work,
            base=visitor.target.base,
            server=visitor.target.running,
            core=self.load_core,
            seconds=seconds,
            state=self.folder / "state.lua",
        )
        used = self.databases.cpu_seconds() - before
        if check is not None and isinstance(work, load.Request):
            check(send(visitor, work))
        if found.failed or not found.units:
            raise BenchError(f"{scenario.key} on {name}: {found.failed} failed: {found.first_failure}")
        if name == FULL:
            self.database_us.setdefault(scenario.key, []).append(used / found.units * 1e6)
        return found

    def rounds(self, scenarios: Sequence[Scenario]) -> None:
        for turn in range(-1, self.options.rounds):
            for scenario in scenarios:
                for name in (EMPTY, FULL) if turn % 2 else (FULL, EMPTY):
                    found = self.measure(scenario, name, self.options.seconds if turn >= 0 else 2)
                    if turn >= 0:
                        self.runs.setdefault(scenario.key, {}).setdefault(name, []).append(found)
            print("warm" if turn < 0 else f"round {turn + 1} of {self.options.rounds}", flush=True)

    def compare(self) -> None:
        columns = ("scenario", "per second", "p50 ms empty", "full", "ratio", "p99 ms empty", "full", "ratio")
        print(f"\n| {' | '.join(columns)} | idp us | PostgreSQL us |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for key, by_name in self.runs.items():
            empty, full = by_name[EMPTY], by_name[FULL]
            # Each round is its own pair: what the machine does beside the bench falls on both.
            p50 = median(b.p50_ms / a.p50_ms for a, b in zip(empty, full, strict=True))
            p99 = median(b.p99_ms / a.p99_ms for a, b in zip(empty, full, strict=True))
            print(
                f"| {key} | {median(r.rate for r in full):.0f} | {median(r.p50_ms for r in empty):.2f} "
                f"| {median(r.p50_ms for r in full):.2f} | {p50:.2f} | {median(r.p99_ms for r in empty):.2f} "
                f"| {median(r.p99_ms for r in full):.2f} | {p99:.2f} | {median(r.server_us for r in full):.0f} "
                f"| {median(self.database_us.get(key, [0.0])):.0f} |"
            )
            self.verdict(f"{key} median, full to empty", p50, MEDIAN)
            self.verdict(f"{key} p99, full to empty", p99, P99)

    def verdict(self, what: str, value: float, most: float) -> None:
        if value > most:
            self.missed.append(f"MISS {what}: {value:.2f} (at most {most})")

    def sweep(self, scenario: Scenario) -> None:
        """Rows that have expired, and the load of before while they go; pairs, because the machine is noisy."""
        calm = [self.measure(scenario, FULL, self.options.seconds) for _ in range(3)]
        wanted = self.options
        fill_families(
            self.databases,
            FULL,
            wanted.families,
            people=wanted.people,
            clients=wanted.clients,
            ends="now() - interval '3 days'",
            prefix="old",
        )
        self.databases.sql("ANALYZE grants; ANALYZE refresh_tokens", FULL)
        busy: list[load.Measured] = []
        started, left = time.monotonic(), self.expired()
        first = left
        while left and time.monotonic() - started < wanted.sweep_seconds:
            busy.append(self.measure(scenario, FULL, self.options.seconds))
            left = self.expired()
        during = busy[:-1] or busy
        ratio = median(r.p99_ms for r in during) / median(r.p99_ms for r in calm)
        seconds = time.monotonic() - started
        print(f"\nswept {first - left} expired rows in {seconds:.0f} s; {scenario.key} p99 {ratio:.2f} x calm")
        self.verdict("p99 while sweeping", ratio, SWEEPING)
        if left and wanted.sweep_seconds >= 1200:
            self.missed.append(f"MISS {left} of {first} expired rows are still there")

    def expired(self) -> int:
        query = "SELECT count(*) FROM {} WHERE expires_at < extract(epoch from now()) - 86400"
        return sum(int(self.databases.sql(query.format(table), FULL)) for table in ("grants", "refresh_tokens"))

    def growth(self, cycles: int) -> None:
        """The same number of rows come and go: the files must stop growing."""
        sizes = []
        for cycle in range(cycles):
            gone = {"people": 1000, "clients": 1000, "ends": "now() - interval '3 days'"}
            fill_families(self.databases, FULL, 50_000, **gone, prefix=f"c{cycle}-")
            deadline = time.monotonic() + 300
            while self.expired() and time.monotonic() < deadline:
                time.sleep(1)
            self.databases.sql("VACUUM grants; VACUUM refresh_tokens", FULL)  # what autovacuum does in its time
            sizes.append(sum(self.size(table) for table in ("grants", "refresh_tokens")))
        print(f"MB of grants and refresh_tokens after each of {cycles} cycles of 50,000: {[s >> 20 for s in sizes]}")
        self.verdict("growth from the second cycle to the last", sizes[-1] / sizes[1], 1.1)

    def size(self, table: str) -> int:
        return int(self.databases.sql(f"SELECT pg_total_relation_size('{table}')", FULL))

    def bytes_a_row(self) -> Mapping[str, float]:
        tables = ("accounts", "clients", "grants", "refresh_tokens", "sessions", "codes", "audit")
        rows = {table: int(self.databases.sql(f"SELECT count(*) FROM {table}", FULL)) for table in tables}
        return {table: self.size(table) / rows[table] for table in tables if rows[table] > 1000}

    def stop(self) -> None:
        for visitor in self.visitors.values():
            visitor.target.running.stop()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--families", type=int, default=1_000_000)
    parser.add_argument("--sweep-seconds", type=float, default=1200, help="look at sweeping for so long at most")
    parser.add_argument("--cycles", type=int, default=4, help="of rows that come and go")
    parser.add_argument("--only", default="")
    parser.add_argument("--no-sweep", action="store_true")
    options = parser.parse_args()
    scenarios = [each for each in SCENARIOS if not options.only or each.key in options.only.split(",")]
    RESULTS.mkdir(exist_ok=True)
    server_core, load_core = cores()
    with tempfile.TemporaryDirectory(dir=RESULTS, prefix="data-") as folder, cluster(server_core) as databases:
        scale = Scale(databases, Path(folder), load_core, options)
        try:
            scale.launch(server_core)
            scale.rounds(scenarios)
            scale.compare()
            if not options.no_sweep:
                scale.sweep(next(each for each in SCENARIOS if each.key == SWEPT_UNDER))
                if options.cycles > 1:
                    scale.growth(options.cycles)
            print(f"bytes a row, indexes included: {json.dumps({k: round(v) for k, v in scale.bytes_a_row().items()})}")
        finally:
            scale.stop()
    print("\n".join(scale.missed) or "every target is met")
    return 1 if scale.missed else 0


if __name__ == "__main__":
    sys.exit(main())
