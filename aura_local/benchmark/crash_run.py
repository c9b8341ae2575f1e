"""Kills a server under load, again and again, and asks whether it kept its word. Layer 4."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import anyio

from aura_local.benchmark.crash_clients import FACT, GARDEN, QUESTION, CrashClients
from aura_local.benchmark.crash_journal import TenantJournal, new_journal, told_turn
from aura_local.benchmark.crash_survey import survey, unfinished_documents
from aura_local.benchmark.http_access import HttpAccess
from aura_local.benchmark.restarting_server import RestartingServer
from aura_local.benchmark.torture_tenants import make_tenants

TENANTS: Final = ("first tenant", "second tenant")
SHORTEST_LIFE_S: Final = 0.2
LONGEST_LIFE_S: Final = 2.5
"""How long a server works before it is killed."""
STILLBORN_SHARE: Final = 0.2
"""Of the kills, those while it starts, when it is finishing what the one before left undone."""
READY_WITHIN_S: Final = 5.0
"""Without the models."""
NEXT_INDEXED_WITHIN_S: Final = 120.0


@dataclass(slots=True)
class CrashReport:
    """What came of it."""

    seed: int
    kills: int = 0
    promises: int = 0
    """Documents, turns, people, invitations, keys and revocations that were acknowledged."""
    documents: int = 0
    turns: int = 0
    people: int = 0
    keys: int = 0
    ledger_tokens: int = 0
    """Told to the clients; the ledger has exactly as many for these turns."""
    loading_s: float = 0.0
    """Of the models, at the first start."""
    slowest_ready_s: float = 0.0
    """From the start after a kill to the first answered question, less what the models took to load."""
    median_ready_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def run_crashes(
    folder: Path, *, kills: int, seed: int, longest_life_s: float = LONGEST_LIFE_S
) -> CrashReport:
    """Kill `kills` servers on `folder`, and compare after each what is there with what was promised."""
    report = CrashReport(seed)
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    journals = [new_journal(tenant) for tenant in await make_tenants(folder, TENANTS)]
    server = RestartingServer(folder)
    try:
        times = await server.start()
        report.loading_s = round(times.loading_s, 2)
        for journal in journals:
            access = HttpAccess(server.url, journal.tenant.key)
            if (await access.upload("garden.md", GARDEN, wait=True)).done:
                journal.documents["garden.md"] = GARDEN
        ready = []
        while report.kills < kills and not report.wrong:
            life_s = chance.uniform(SHORTEST_LIFE_S, longest_life_s)
            await _live_and_die(server, journals, chance, life_s, report)
            if report.kills < kills and chance.random() < STILLBORN_SHARE:
                server.spawn()
                await anyio.sleep(chance.uniform(0.05, times.ready_s))
                await server.kill()
                report.kills += 1
            ready.append(await _restart(server, journals[0]))
            report.wrong += await survey(folder, journals)
        report.slowest_ready_s, report.median_ready_s = round(max(ready), 2), round(median(ready), 2)
        for journal in journals:
            report.wrong += await _all_indexed(HttpAccess(server.url, journal.tenant.key))
        await server.stop()
        report.wrong += await survey(folder, journals, every_byte=True)
    finally:
        await server.kill()
    if report.slowest_ready_s > READY_WITHIN_S:
        report.wrong.append(f"a start took {report.slowest_ready_s} s without the models")
    _add_up(report, journals)
    return report


async def _live_and_die(
    server: RestartingServer,
    journals: list[TenantJournal],
    chance: random.Random,
    life_s: float,
    report: CrashReport,
) -> None:
    clients = [CrashClients(journal, server.url, chance) for journal in journals]
    async with anyio.create_task_group() as tasks:
        for client in clients:
            tasks.start_soon(client.work_until_cut_off)
        await anyio.sleep(life_s)
        await server.kill()
    report.kills += 1
    for client in clients:
        report.wrong += client.refused


async def _restart(server: RestartingServer, journal: TenantJournal) -> float:
    """Seconds to the first answered question, without what the models took to load this time."""
    began_s = time.monotonic()
    times = await server.start()
    journal.asked += 1
    answer = await HttpAccess(server.url, journal.tenant.key).post("/api/chat", question=QUESTION)
    took_s = time.monotonic() - began_s - times.loading_s
    if not answer.done or FACT not in answer.json["answer"]:
        raise AssertionError("after a crash a known question is not answered rightly")
    session_id, turn = told_turn(answer.json)
    journal.turns[session_id] = turn
    return took_s


async def _all_indexed(access: HttpAccess) -> list[str]:
    """Whatever was accepted is read in the end."""
    fewest, seen_s = -1, time.monotonic()
    while time.monotonic() - seen_s < NEXT_INDEXED_WITHIN_S:
        waiting, failed = unfinished_documents((await access.get("/api/documents")).body)
        if not waiting:
            return [f"document {name} failed" for name in failed]
        if waiting < fewest or fewest < 0:
            fewest, seen_s = waiting, time.monotonic()
        await anyio.sleep(0.5)
    return [f"{fewest} documents stay unread"]


def _add_up(report: CrashReport, journals: list[TenantJournal]) -> None:
    for journal in journals:
        report.promises += journal.promises
        report.documents += len(journal.documents)
        report.turns += len(journal.turns)
        report.people += len(journal.people)
        report.keys += len(journal.keys)
        report.ledger_tokens += sum(sum(turn.ledger.values()) for turn in journal.turns.values())
