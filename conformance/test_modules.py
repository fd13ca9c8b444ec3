"""One test for each module of the plans asked for: it passes where the suite says PASSED, or says what we expect."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.expected import read, verdict
from conformance.suite import Module, Suite

ROWS = read()
SECONDS = 240.0


@pytest.mark.timeout(SECONDS + 60)
def test_module(
    suite: Suite,
    record: Callable[..., None],
    rotate: Callable[[], None],
    plan: str,
    plan_id: str,
    module: Module,
) -> None:
    # The one module that waits for its operator wants new keys.
    outcome = suite.run(plan_id, module, SECONDS, rotate)
    record(
        plan=plan,
        module=module.id,
        result=outcome.result,
        status=outcome.status,
        log=outcome.log,
        complaints=outcome.complaints,
        seconds=round(outcome.seconds, 1),
    )
    bad = verdict(plan, module.name, outcome.result, outcome.complaints, ROWS)
    if outcome.status != "FINISHED":
        bad = bad or f"ended as {outcome.status}"
    assert not bad, "\n  ".join([f"{bad}, see {suite.log_address(outcome.log)}", *outcome.complaints])
    if outcome.result == "SKIPPED":
        pytest.skip("as expected_skips.toml says")
