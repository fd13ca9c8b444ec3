"""Work without a request: each job in its own task, at its own pace; a failing one is logged and tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from idp.accounts.census import count_costs
from idp.features import Job
from idp.server import Server
from idp.store import audit, marks, redirect_uses, registrations, sweep
from idp.store.database import Unavailable

log = logging.getLogger("idp.jobs")

_FLUSH_SECONDS = 0.1
_REFUSALS_SECONDS = 60.0
_SWEEP_SECONDS = 60.0
_AFTER_DELETING, _AFTER_LOOKING = 0.025, 0.005  # seconds: a tenth of the time is the most a pass takes
_CENSUS_SECONDS = 1.0  # to look whether it is time: an import asks for it
_USES_SECONDS = 10.0


async def watch_registry(server: Server) -> None:
    await server.reload_registry()


async def tend_keys(server: Server) -> None:
    await server.keyring.tick()


async def flush_issued(server: Server) -> None:
    await server.write_kept("tokens.issued")


async def flush_failed_logins(server: Server) -> None:
    await server.write_kept("login.failed")


async def flush_refusals(server: Server) -> None:
    for event in ("requests.refused", "login.throttled"):
        await server.write_kept(event)


async def sweep_expired(server: Server) -> None:
    """One pass by the node whose turn it is, with the loop free between its stretches."""
    if not await server.database.write(marks.claim, "sweep", server.now(), _SWEEP_SECONDS):
        return
    place: sweep.Place | None = sweep.START
    while place is not None:
        gone, place = await server.database.write(sweep.sweep, server.now(), place)
        await asyncio.sleep(_AFTER_DELETING if gone else _AFTER_LOOKING)
    if days := server.settings.audit_days:
        until = server.now() - days * 86_400
        while await server.database.write(audit.forget, until, sweep.STRETCH):  # noqa: ASYNC110 - no waiting, a pause
            await asyncio.sleep(_AFTER_DELETING)


async def write_redirect_uses(server: Server) -> None:
    """The redirect URIs that carried their first answer today; once a day, those of old go."""
    uses = server.redirect_uses
    while batch := uses.take():
        try:
            await server.database.write(redirect_uses.write_uses, batch)
        except BaseException:
            uses.give_back(batch)
            raise
    if uses.aged:
        await server.database.write(redirect_uses.forget_old, server.now())
        uses.aged = False


async def write_first_uses(server: Server) -> None:
    """The registered clients that got their first token: those stay."""
    uses = server.first_uses
    while batch := uses.take():
        try:
            await server.database.write(registrations.write_first_uses, batch)
        except BaseException:
            uses.give_back(batch)
            raise


CORE_JOBS: tuple[Job, ...] = (
    Job("registry", lambda server: 0.5, watch_registry),
    Job("keys", lambda server: server.keyring.poll, tend_keys),
    Job("issued tokens", lambda server: _FLUSH_SECONDS, flush_issued),
    Job("failed sign-ins", lambda server: _FLUSH_SECONDS, flush_failed_logins),
    Job("refusals", lambda server: _REFUSALS_SECONDS, flush_refusals),
    Job("redirect uses", lambda server: _USES_SECONDS, write_redirect_uses),
    Job("first uses", lambda server: _USES_SECONDS, write_first_uses),
    Job("sweep", lambda server: _SWEEP_SECONDS, sweep_expired),
    Job("costs of passwords", lambda server: _CENSUS_SECONDS, count_costs),
)


class Jobs:
    """The core jobs, the features' own, and ``quiet`` ones that nothing wakes but the time."""

    def __init__(self, server: Server, jobs: Sequence[Job], quiet: Sequence[Job] = ()) -> None:
        self._server = server
        self._woken = tuple(jobs)
        self._jobs = (*CORE_JOBS, *jobs, *quiet)
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Begin; a session's end wakes the features' jobs (logout deliveries) at once."""
        self._server.after_commit.append(self._wake.set)
        self._tasks = [asyncio.create_task(self._repeat(job), name=f"job {job.name}") for job in self._jobs]

    async def run_all(self) -> None:
        """Each job once, now: for tests whose clock has moved."""
        for job in self._jobs:
            await job.run(self._server)

    async def stop(self) -> None:
        """End the loops, then write the counts still in memory."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            flushes = (flush_issued, flush_failed_logins, flush_refusals, write_redirect_uses, write_first_uses)
            for flush in flushes:
                try:
                    await flush(self._server)
                except Unavailable as error:
                    log.error("counts that could not be written any more are lost: %s", error)
        self._tasks = []

    async def _repeat(self, job: Job) -> None:
        wakes = job in self._woken
        while True:
            try:
                await job.run(self._server)
                self._server.meters.job(job.name, self._server.now())
            except Unavailable as error:
                log.warning("job %s: database unavailable (%s), next try soon", job.name, error)
            except Exception:
                log.exception("job %s failed", job.name)
            seconds = job.seconds(self._server)
            if not wakes:
                await asyncio.sleep(seconds)
                continue
            try:
                # Not wait_for: before Python 3.12 it forgets a cancellation that comes together with the wake-up.
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
                self._wake.clear()
            except TimeoutError:
                pass
