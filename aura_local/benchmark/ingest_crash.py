"""Kills a server that reads documents, again and again: each ends indexed exactly once. Layer 4."""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio

from aura_local.benchmark.child_processes import StartedProcess, descendants, hold_still, outlasting
from aura_local.benchmark.http_access import HttpAccess
from aura_local.benchmark.ingest_clients import IngestClients, KeptDocument, kept
from aura_local.benchmark.ingest_survey import IngestSurvey, survey_ingested
from aura_local.benchmark.planned_documents import plan_documents
from aura_local.benchmark.restarting_server import RestartingServer
from aura_local.benchmark.torture_tenants import TenantAccess, make_tenants

SHORTEST_LIFE_S: Final = 0.2
LONGEST_LIFE_S: Final = 2.5
"""How long a server works before it is killed."""
STILLBORN_SHARE: Final = 0.2
"""Of the kills, those while it starts, when it takes up what the one before left undone."""
NEXT_FINISHED_WITHIN_S: Final = 120.0
QUESTION: Final = "What is kept under note1e1i1?"
"""The answer does not matter: a question opens the index, which then has to agree with the passages."""


@dataclass(slots=True)
class IngestCrashReport:
    """What came of it."""

    seed: int
    documents: int
    kills: int = 0
    stillborn: int = 0
    """Of the kills, those of a server that was not ready yet."""
    acts: int = 0
    """Uploads, new versions and deletions that were acknowledged."""
    left_by_kills: dict[str, int] = field(default_factory=dict)
    """Documents that a kill found, by their status, all kills together."""
    kills_at_work: int = 0
    """Kills that found a document accepted and not read."""
    workers_at_kills: int = 0
    """Processes that a killed server had running."""
    indexed: int = 0
    failed: int = 0
    deleted: int = 0
    passages: int = 0
    index_entries: int = 0
    blobs: int = 0
    unfinished_files: int = 0
    slowest_ready_s: float = 0.0
    """From the start after a kill until the engines are loaded."""
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def run_ingest_crashes(
    folder: Path, *, documents: int, kills: int, seed: int, longest_life_s: float = LONGEST_LIFE_S
) -> IngestCrashReport:
    """Have `documents` documents uploaded, changed and deleted while the server is killed `kills` times."""
    began_s = time.monotonic()
    report = IngestCrashReport(seed, documents)
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    plans = [kept(plan) for plan in plan_documents(documents, chance)]
    (tenant,) = await make_tenants(folder, ["reader"])
    run = _Run(folder, tenant, plans, chance, report)
    try:
        while report.kills < kills and not report.wrong:
            await run.live_and_die(chance.uniform(SHORTEST_LIFE_S, longest_life_s), kills - report.kills)
            if report.kills < kills and chance.random() < STILLBORN_SHARE:
                await run.die_while_starting()
        if not report.wrong:
            await run.finish()
    finally:
        await run.server.kill()
    report.took_s = round(time.monotonic() - began_s, 1)
    return report


class _Run:
    """One server after the other on one folder, and what its clients know."""

    def __init__(
        self,
        folder: Path,
        tenant: TenantAccess,
        documents: Sequence[KeptDocument],
        chance: random.Random,
        report: IngestCrashReport,
    ) -> None:
        self.server = RestartingServer(folder)
        self._folder = folder
        self._tenant = tenant
        self._documents = documents
        self._chance = chance
        self._report = report

    async def live_and_die(self, life_s: float, kills_left: int) -> None:
        clients = await self._start()
        waiting = [document for document in self._documents if document.acts_left]
        share = math.ceil(len(waiting) / kills_left)
        async with anyio.create_task_group() as tasks:
            work = self._chance.sample(waiting, share)
            tasks.start_soon(lambda: clients.work(work, within_s=life_s))
            await anyio.sleep(life_s)
            workers = hold_still(self.server.process_id)
            await self.server.kill()
        self._report.acts += clients.acts
        self._report.wrong += clients.refused
        await self._look_at_the_dead(workers)

    async def die_while_starting(self) -> None:
        self.server.spawn()
        await anyio.sleep(self._chance.uniform(0.05, max(0.1, self._report.slowest_ready_s)))
        workers = hold_still(self.server.process_id)
        await self.server.kill()
        self._report.stillborn += 1
        await self._look_at_the_dead(workers)

    async def finish(self) -> None:
        """Take up what was cut off, wait until all is read, stop, and compare everything."""
        report, clients = self._report, await self._start()
        await clients.finish(self._documents)
        report.acts += clients.acts
        report.wrong += clients.refused + await _all_read(clients.http)
        answered = await clients.http.post("/api/chat", question=QUESTION)
        if not answered.done:
            report.wrong.append(f"afterwards a question gets {answered.status}")
        workers = descendants(self.server.process_id)
        await self.server.stop()
        report.wrong += await _left_behind(workers)
        survey = await survey_ingested(self._folder, self._tenant.id, self._documents, finished=True)
        report.wrong += survey.wrong
        report.indexed, report.failed = survey.statuses["indexed"], survey.statuses["failed"]
        report.deleted = sum(document.deleted for document in self._documents)
        for name in ("passages", "index_entries", "blobs", "unfinished_files"):
            setattr(report, name, getattr(survey, name))

    async def _start(self) -> IngestClients:
        times = await self.server.start()
        self._report.slowest_ready_s = round(max(self._report.slowest_ready_s, times.ready_s), 2)
        return IngestClients(HttpAccess(self.server.url, self._tenant.key), self._chance)

    async def _look_at_the_dead(self, workers: frozenset[StartedProcess]) -> None:
        report = self._report
        report.kills += 1
        report.workers_at_kills += len(workers)
        report.wrong += await _left_behind(workers)
        survey: IngestSurvey = await survey_ingested(self._folder, self._tenant.id, self._documents)
        report.wrong += survey.wrong
        report.left_by_kills = dict(Counter(report.left_by_kills) + survey.statuses)
        finished = survey.statuses["indexed"] + survey.statuses["failed"]
        report.kills_at_work += survey.statuses.total() > finished


async def _left_behind(workers: frozenset[StartedProcess]) -> list[str]:
    left = await outlasting(workers)
    return [f"{len(left)} processes outlive their server"] if left else []


async def _all_read(http: HttpAccess) -> list[str]:
    """Wait until no document is unfinished, as long as one after the other gets ready."""
    fewest, seen_s = math.inf, time.monotonic()
    while time.monotonic() - seen_s < NEXT_FINISHED_WITHIN_S:
        listed = json.loads((await http.get("/api/documents")).body)["documents"]
        waiting = sum(document["status"] not in ("indexed", "failed") for document in listed)
        if not waiting:
            return []
        if waiting < fewest:
            fewest, seen_s = waiting, time.monotonic()
        await anyio.sleep(0.2)
    return [f"{fewest} documents stay unread"]
