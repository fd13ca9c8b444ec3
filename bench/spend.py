"""Where a request spends its microseconds: samples the stack of `idp serve` under load, by layer.

Usage: python bench/spend.py [--work sign-on] [--seconds 10] [--synchronous FULL] [--functions 0]
The server runs as always but for a timer that looks at the stack once per millisecond of processor time. A
sample belongs to the innermost frame that has a layer; C code (OpenSSL, SQLite, system calls) to its caller.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType

import load
import starlette
from ours import ours
from process import BenchError, Running, cores
from run import RESULTS
from scenarios import SCENARIOS
from visitor import Visitor

import idp

PACKAGE = str(Path(idp.__file__).parent)
LIBRARY = str(Path(starlette.__file__).parents[1])
STANDARD = str(Path(asyncio.__file__).parent)
SERVER = "uvicorn, event loop, sockets"
# The first entry that a frame's file begins with decides; files without an entry are asked for their caller.
LAYERS = (
    (f"{PACKAGE}/jose/", "signing and verifying (jose)"),
    (f"{PACKAGE}/keyring/", "keyring and claims"),
    (f"{PACKAGE}/store/database.py", "transaction: begin, savepoint, commit"),
    (f"{PACKAGE}/store/", "store statements (SQLAlchemy and SQLite)"),
    (f"{PACKAGE}/protocol/", "protocol: checks, claims, parameters"),
    (f"{PACKAGE}/grants/", "grants"),
    (f"{PACKAGE}/accounts/", "accounts"),
    (f"{PACKAGE}/web/", "web: forms, client authentication, responses"),
    (f"{PACKAGE}/", "app and server"),
    (f"{LIBRARY}/starlette/", "Starlette"),
    (f"{LIBRARY}/uvicorn/", SERVER),
    (STANDARD, SERVER),
)


def layer(frame: FrameType | None) -> str:
    while frame is not None:
        name = frame.f_code.co_filename
        for beginning, title in LAYERS:
            if name.startswith(beginning):
                return title
        frame = frame.f_back
    return "elsewhere"


def sampled(out: Path, argv: list[str]) -> None:
    """Run the `idp` command line; SIGUSR1 begins to count, SIGUSR2 writes what was counted."""
    layers: Counter[str] = Counter()
    functions: Counter[str] = Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        layers[layer(frame)] += 1
        if frame is not None:
            code = frame.f_code
            functions[f"{'/'.join(Path(code.co_filename).parts[-3:])}:{code.co_name}"] += 1

    def save(*_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        draft = out.with_suffix(".draft")
        draft.write_text(json.dumps({"layers": layers, "functions": functions}))
        draft.rename(out)

    def begin(*_: object) -> None:
        layers.clear()
        functions.clear()
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)

    signal.signal(signal.SIGPROF, sample)
    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, save)  # not at the end: uvicorn ends by the signal it was sent
    sys.argv = ["idp", *argv]
    from idp.cli import main as command_line

    command_line()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Sample where idp serve spends its time.")
    parser.add_argument("--work", default="client-credentials-es256", choices=[s.key for s in SCENARIOS])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--synchronous", default="FULL", choices=["FULL", "NORMAL"])
    parser.add_argument("--functions", type=int, default=0, help="also print so many innermost functions")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    scenario = next(scenario for scenario in SCENARIOS if scenario.key == options.work)
    server_core, load_core = cores()
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RESULTS, prefix="data-") as name:
        folder = Path(name)
        out = folder / "samples.json"
        under = [sys.executable, str(Path(__file__)), "--inside", str(out)]
        target = ours(options.synchronous, under)(folder, server_core)
        try:
            visitor, state = Visitor(target), folder / "state.lua"
            for seconds in (2.0, options.seconds):
                work, _ = scenario.prepare(visitor)
                target.running.process.send_signal(signal.SIGUSR1)
                measured = load.run(
                    work,
                    base=target.base,
                    server=target.running,
                    core=load_core,
                    seconds=seconds,
                    state=state,
                )
            show(collected(target.running, out), measured, options.functions)
        finally:
            target.running.stop()
    print(f"{scenario.title}: {measured.rate:,.0f}/s, {measured.failed} failed")
    return 1 if measured.failed else 0


def collected(running: Running, out: Path) -> dict[str, dict[str, int]]:
    running.process.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + 10
    while not out.exists():
        if time.monotonic() > deadline:
            raise BenchError(f"the server wrote no samples; see {running.log}")
        time.sleep(0.05)
    samples: dict[str, dict[str, int]] = json.loads(out.read_text())
    return samples


def show(samples: dict[str, dict[str, int]], measured: load.Measured, functions: int) -> None:
    total = sum(samples["layers"].values()) or 1
    print(f"| us of {measured.server_us:.0f} | share | layer |\n|---|---|---|")
    for kind, most in (("layers", None), ("functions", functions)):
        for title, count in Counter(samples[kind]).most_common(most):
            print(f"| {measured.server_us * count / total:.1f} | {count / total:.0%} | {title} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        sampled(Path(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(main())
