"""Many tenants in one server, some of them at work at once: what that costs. Layer 4."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio

from aura_local.benchmark.canary_tenants import HOURS
from aura_local.benchmark.http_access import HttpAccess
from aura_local.benchmark.process_figures import MB, look_at
from aura_local.benchmark.restarting_server import RestartingServer
from aura_local.benchmark.torture_tenants import TenantAccess, make_tenants

COLD_P95_MS: Final = 500.0
LOOK_EVERY_S: Final = 0.1
SETTINGS: Final = {"AURA_LIMITS__QUEUE_WAIT_S": "120"}
"""All ask in the same moment, for once: one after the other they are answered."""
QUESTION: Final = "When does the garden open?"


@dataclass(frozen=True, slots=True)
class ScaleBounds:
    """The most that a server may hold.

    Measured on two cores with 1,000 tenants, 64 at work: 1,068 descriptors, 428 threads, 831 MB (490 MB of it
    before the first request). The threads are those of the indexes on disk, six or seven for each.
    """

    descriptors: int = 1_300
    threads: int = 500
    resident_mb: float = 1_100.0


@dataclass(slots=True)
class ScaleReport:
    """What came of it."""

    tenants: int
    active: int
    seed: int
    made_ms: float = 0.0
    """Per tenant, its file included."""
    cold_p50_ms: float = 0.0
    cold_p95_ms: float = 0.0
    """From the request to the list of documents of a tenant that was not open; no index."""
    asked_p95_ms: float = 0.0
    """A question to each of the active ones, all at once."""
    idle_descriptors: int = 0
    idle_threads: int = 0
    idle_mb: float = 0.0
    descriptors: int = 0
    """The most while they were at work, like the next two."""
    threads: int = 0
    resident_mb: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def run_scale(
    folder: Path, *, tenants: int, active: int, seed: int, bounds: ScaleBounds | None = None
) -> ScaleReport:
    """Make `tenants` in `folder`, open each of them cold, then have `active` of them work at once."""
    report = ScaleReport(tenants, active, seed)
    began_s = time.monotonic()
    made = await make_tenants(folder, [f"tenant {number}" for number in range(tenants)])
    report.made_ms = round((time.monotonic() - began_s) * 1000 / tenants, 1)
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    chance.shuffle(made)
    server = RestartingServer(folder, settings=SETTINGS)
    try:
        await server.start()
        report.idle_descriptors, report.idle_threads, report.idle_mb = _held(server.process_id)
        cold = [await _open_cold(server, tenant) for tenant in made]
        report.cold_p50_ms, report.cold_p95_ms = _percentile(cold, 0.5), _percentile(cold, 0.95)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, server.process_id, report)
            await _work(server, chance.sample(made, active), report)
            tasks.cancel_scope.cancel()
    finally:
        await server.stop()
    report.wrong += _over(report, bounds or ScaleBounds())
    return report


async def _open_cold(server: RestartingServer, tenant: TenantAccess) -> float:
    began_s = time.monotonic()
    answer = await HttpAccess(server.url, tenant.key).get("/api/documents")
    assert answer.done, answer.status
    return (time.monotonic() - began_s) * 1000


async def _work(server: RestartingServer, tenants: Sequence[TenantAccess], report: ScaleReport) -> None:
    """Each gets a document, all at once; then each is asked, all at once, and must answer from its own."""
    asked: list[float] = []

    async def fill(place: int, tenant: TenantAccess) -> None:
        content = f"# The garden\n\nThe garden opens at {HOURS[place % len(HOURS)]} in the morning.\n"
        answer = await HttpAccess(server.url, tenant.key).upload("garden.md", content.encode(), wait=True)
        if not answer.done or answer.json["status"] != "indexed":
            report.wrong.append("a document was not indexed")

    async def ask(place: int, tenant: TenantAccess) -> None:
        began_s = time.monotonic()
        answer = await HttpAccess(server.url, tenant.key).post("/api/chat", question=QUESTION)
        asked.append((time.monotonic() - began_s) * 1000)
        if answer.status == 503:
            report.wrong.append("a question found no place in the queue")
        elif f"at {HOURS[place % len(HOURS)]} in" not in answer.json["answer"]:
            report.wrong.append("a question was not answered from the tenant's own document")

    for act in (fill, ask):
        async with anyio.create_task_group() as tasks:
            for place, tenant in enumerate(tenants):
                tasks.start_soon(act, place, tenant)
    report.asked_p95_ms = _percentile(asked, 0.95)


async def _watch(process_id: int, report: ScaleReport) -> None:
    while True:
        descriptors, threads, resident_mb = _held(process_id)
        report.descriptors = max(report.descriptors, descriptors)
        report.threads = max(report.threads, threads)
        report.resident_mb = max(report.resident_mb, resident_mb)
        await anyio.sleep(LOOK_EVERY_S)


def _held(process_id: int) -> tuple[int, int, float]:
    """Descriptors (all of them, the indexes' too), threads, resident megabytes."""
    held = look_at(process_id)
    process = Path(f"/proc/{process_id}")
    descriptors, threads = (len(os.listdir(process / kind)) for kind in ("fd", "task"))
    return descriptors, threads, round(held.resident_bytes / MB, 1)


def _percentile(values: Sequence[float], share: float) -> float:
    return round(sorted(values)[math.ceil(share * len(values)) - 1], 1)


def _over(report: ScaleReport, bounds: ScaleBounds) -> list[str]:
    wrong = []
    if report.cold_p95_ms > COLD_P95_MS:
        wrong.append(f"a cold tenant opens in {report.cold_p95_ms} ms, {COLD_P95_MS:g} ms are allowed")
    for name in ("descriptors", "threads", "resident_mb"):
        if getattr(report, name) > getattr(bounds, name):
            wrong.append(f"{name} reached {getattr(report, name)}, {getattr(bounds, name)} are allowed")
    return wrong
