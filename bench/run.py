"""`make bench`: load each server in turn, several rounds; print medians, p99, ratios. See bench/README.md.

Usage: python bench/run.py [--seconds 5] [--rounds 5] [--warmup 3] [--servers node,bare] [--only jwks]
Ends with 1 when a server could not be measured or any request of a timed run failed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx2
import load
from process import BenchError, cores
from report import PEER, Runs, save, summary, table, unquiet, verdicts
from scenarios import SCENARIOS, Scenario
from servers import LAUNCH
from visitor import Visitor

RESULTS = Path(__file__).parent / "results"


class Bench:
    """One run of the bench: the servers that started, what was measured, what went wrong."""

    def __init__(self, folder: Path, load_core: int) -> None:
        self.folder = folder
        self.load_core = load_core
        self.visitors: dict[str, Visitor] = {}
        self.runs: dict[str, dict[str, list[load.Measured]]] = {}
        self.failures: list[str] = []

    def launch(self, names: Sequence[str], core: int) -> None:
        for name in names:
            try:
                self.visitors[name] = Visitor(LAUNCH[name](self.folder, core))
            except BenchError as error:
                self.fail(f"{name} did not start: {error}")

    def fail(self, what: str) -> None:
        self.failures.append(what)
        print(f"  FAILED: {what}", file=sys.stderr, flush=True)

    def timed(self, scenario: Scenario, visitor: Visitor, seconds: float) -> load.Measured:
        """One run: prepare, prove the answer real, load, prove it again."""
        target = visitor.target
        work, check = scenario.prepare(visitor)
        if check is not None and isinstance(work, load.Request):
            check(send(visitor, work))
        measured = load.run(
            work,
            base=target.base,
            server=target.running,
            core=self.load_core,
            seconds=seconds,
            state=self.folder / "state.lua",
        )
        if check is not None and isinstance(work, load.Request):
            check(send(visitor, work))
        if measured.failed or not measured.units:
            raise BenchError(
                f"{measured.failed} of {measured.units + measured.failed} failed: {measured.first_failure}"
            )
        return measured

    def round(self, scenarios: Sequence[Scenario], seconds: float, turn: int, *, keep: bool) -> None:
        for scenario in scenarios:
            for name in rotated(list(self.visitors), turn):
                visitor = self.visitors[name]
                if not scenario.needs(visitor.target):
                    continue
                try:
                    measured = self.timed(scenario, visitor, seconds)
                except Exception as error:
                    # Whatever a server under test does wrong, the other figures are still wanted.
                    self.fail(f"{scenario.key} on {name}: {type(error).__name__}: {error}")
                    continue
                if keep:
                    self.runs.setdefault(scenario.key, {}).setdefault(name, []).append(measured)
                    print(f"  {scenario.key:26} {name:11} {measured.rate:9,.0f}/s p99 {measured.p99_ms:7.2f} ms")

    def in_order(self) -> Runs:
        """The runs with servers in the order they were named, whatever order the rounds took."""
        return {key: {name: rows[name] for name in LAUNCH if name in rows} for key, rows in self.runs.items()}

    def stop(self) -> None:
        for visitor in self.visitors.values():
            visitor.target.running.stop()


def send(visitor: Visitor, work: load.Request) -> httpx2.Response:
    return visitor.plain.request(
        work.method, visitor.url(work.path), headers=dict(work.headers), content=work.body or b""
    )


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """Nobody is always first: what the machine does beside the bench falls on each server alike."""
    start = turn % max(len(names), 1)
    return [*names[start:], *names[:start]]


def chosen(text: str | None, known: Sequence[str]) -> list[str]:
    names = text.split(",") if text else list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}. Known: {', '.join(known)}")
    return names


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure idp serve against node-oidc-provider.")
    parser.add_argument("--seconds", type=float, default=5, help="length of one run (default 5)")
    parser.add_argument("--rounds", type=int, default=5, help="runs per server and scenario (default 5)")
    parser.add_argument("--warmup", type=float, default=3, help="uncounted run before (default 3 s, 0 for none)")
    parser.add_argument("--servers", help=f"comma separated; default all: {', '.join(LAUNCH)}")
    parser.add_argument("--only", help=f"scenarios, comma separated: {', '.join(s.key for s in SCENARIOS)}")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    for tool, cure in (
        ("wrk", "apt-get install wrk"),
        ("taskset", "apt-get install util-linux"),
        ("node", "Node 20"),
    ):
        if shutil.which(tool) is None:
            raise SystemExit(f"the bench needs {tool}: {cure}")
    keys = chosen(options.only, [scenario.key for scenario in SCENARIOS])
    scenarios = [scenario for scenario in SCENARIOS if scenario.key in keys]
    RESULTS.mkdir(exist_ok=True)
    server_core, load_core = cores()
    # Not in the system's temporary folder: that may be memory, where a commit costs nothing.
    with tempfile.TemporaryDirectory(dir=RESULTS, prefix="data-") as folder:
        bench = Bench(Path(folder), load_core)
        try:
            bench.launch(chosen(options.servers, list(LAUNCH)), server_core)
            if options.warmup:
                print("warming up", flush=True)
                bench.round(scenarios, options.warmup, 0, keep=False)
            for turn in range(options.rounds):
                print(f"round {turn + 1} of {options.rounds}", flush=True)
                bench.round(scenarios, options.seconds, turn, keep=True)
        finally:
            bench.stop()
        return tell(bench, {"seconds": options.seconds, "rounds": options.rounds})


def tell(bench: Bench, settings: Mapping[str, float]) -> int:
    runs = bench.in_order()
    figures = summary(runs)
    print(f"\n{table(figures)}\n")
    if PEER in bench.visitors:
        print("\n".join([*verdicts(figures), unquiet(figures)]))
    print(f"\nwritten to {save(RESULTS, runs, bench.failures, settings)}")
    if bench.failures:
        print(f"{len(bench.failures)} failures:\n" + "\n".join(bench.failures), file=sys.stderr)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
