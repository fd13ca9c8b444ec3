"""How much memory a server holds: idle, after 100,000 tokens, and what each further 100,000 adds.

Usage: python bench/memory.py [--servers idp-full,node] [--work sign-on] [--tokens 100000] [--steps 4]
`--work` is a scenario that issues tokens: client-credentials-es256 (or -rs256), sign-on, refresh.
Ends with 1 when a run fails or a goal is missed: 130 MB after 100,000, under 1 MB per further 100,000.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean

import load
from process import BenchError, cores
from run import RESULTS, chosen, send
from scenarios import SCENARIOS, Scenario
from servers import LAUNCH
from visitor import Visitor

TOKENS_GOAL_MB, GROWTH_GOAL_MB = 130.0, 1.0
WORK = ("client-credentials-es256", "client-credentials-rs256", "sign-on", "refresh")


@dataclass(frozen=True, slots=True)
class Point:
    """Resident megabytes after so many tokens."""

    tokens: int
    resident: float


def measure(visitor: Visitor, scenario: Scenario, tokens: int, steps: int, folder: Path, core: int) -> list[Point]:
    """`steps` times `tokens` of work; wrk runs by time, so each point says how many there really were."""
    server = visitor.target.running
    points, done, rate = [Point(0, server.resident_mb())], 0, 0.0
    show(points[0])
    while len(points) <= steps:
        wanted = tokens * len(points)
        while done < wanted:
            # The first second finds the rate; after that one run, or two, come near the wanted number.
            seconds = max(1.0, (wanted - done) / rate) if rate else 1.0
            work, check = scenario.prepare(visitor)
            measured = load.run(
                work,
                base=visitor.target.base,
                server=server,
                core=core,
                seconds=seconds,
                state=folder / "state.lua",
            )
            if check is not None and isinstance(work, load.Request):
                check(send(visitor, work))
            if measured.failed or not measured.units:
                raise BenchError(f"{measured.failed} failed: {measured.first_failure}")
            done, rate = done + measured.units, measured.rate
        points.append(Point(done, server.resident_mb()))
        show(points[-1])
    return points


def show(point: Point) -> None:
    print(f"  {point.tokens:9,} tokens: {point.resident:7.1f} MB resident", flush=True)


def growth(points: Sequence[Point]) -> float:
    """Megabytes per 100,000 tokens, mean over the steps after the first."""
    steps = pairwise(points[1:])
    return mean((after.resident - before.resident) / (after.tokens - before.tokens) * 1e5 for before, after in steps)


def judge(name: str, points: Sequence[Point]) -> bool:
    grown = growth(points)
    reached = points[1].resident <= TOKENS_GOAL_MB and grown < GROWTH_GOAL_MB
    print(
        f"{name}: idle {points[0].resident:.1f} MB, after {points[1].tokens:,} tokens "
        f"{points[1].resident:.1f} MB, then {grown:+.2f} MB per 100,000"
    )
    return reached or not name.startswith("idp")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure resident memory over many tokens.")
    parser.add_argument("--servers", default="idp-full", help=f"comma separated of {', '.join(LAUNCH)}")
    parser.add_argument("--work", default=WORK[0], choices=WORK)
    parser.add_argument("--tokens", type=int, default=100_000, help="tokens per step")
    parser.add_argument("--steps", type=int, default=4, help="steps, at least 2")
    options = parser.parse_args()
    if options.steps < 2 or options.tokens < 1:
        parser.error("growth needs at least two steps of at least one token")
    return options


def main() -> int:
    options = arguments()
    scenario = next(scenario for scenario in SCENARIOS if scenario.key == options.work)
    server_core, load_core = cores()
    RESULTS.mkdir(exist_ok=True)
    fine = True
    for name in chosen(options.servers, list(LAUNCH)):
        with tempfile.TemporaryDirectory(dir=RESULTS, prefix="data-") as folder:
            visitor = Visitor(LAUNCH[name](Path(folder), server_core))
            try:
                print(f"{name}, {scenario.title}", flush=True)
                points = measure(visitor, scenario, options.tokens, options.steps, Path(folder), load_core)
            finally:
                visitor.target.running.stop()
            fine = judge(name, points) and fine
    return 0 if fine else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(str(error))
