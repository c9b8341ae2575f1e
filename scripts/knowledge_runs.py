"""The runs of scripts/torture about documents: killed while being read, very many of them, hostile ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safety_runs import SIZES, Result, Run, split

from aura_local.benchmark.archive_bombs import ARCHIVE_BOMBS
from aura_local.benchmark.bad_files import Outcome
from aura_local.benchmark.bulk_run import run_bulk
from aura_local.benchmark.document_bombs import PDF_BOMBS, TEXT_BOMBS
from aura_local.benchmark.hostile_documents import HostileReport, send_hostile
from aura_local.benchmark.ingest_crash import run_ingest_crashes
from aura_local.benchmark.injected_instructions import run_injection
from aura_local.benchmark.server_process import run_server

KILLS = dict(zip(SIZES, (5, 20, 100), strict=True))
READ_UNDER_KILLS = dict(zip(SIZES, (60, 200, 1_000), strict=True))
DOCUMENTS = dict(zip(SIZES, (100, 10_000, 10_000), strict=True))
SMALL_DOCUMENTS = dict(zip(SIZES, (50, 500, 500), strict=True))
INJECTED = dict(zip(SIZES, (50, 300, 300), strict=True))
INJECTED_ALOUD = dict(zip(SIZES, (5, 20, 20), strict=True))
NO_RESERVE = {"AURA_LIMITS__DISK_RESERVE_BYTES": "0"}


async def ingest_crash(size: str, seed: int) -> Result:
    documents, kills = READ_UNDER_KILLS[size], KILLS[size]
    print(f"{kills} servers killed while they read {documents} documents; seed {seed}.", flush=True)
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        report = await run_ingest_crashes(Path(folder), documents=documents, kills=kills, seed=seed)
    return split(asdict(report))


async def bulk(size: str, seed: int) -> Result:
    documents, small = DOCUMENTS[size], SMALL_DOCUMENTS[size]
    print(f"{documents} documents and {small} small ones in one tenant; seed {seed}.", flush=True)
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        report = await run_bulk(Path(folder), documents=documents, small_documents=small, seed=seed)
    return split(asdict(report))


async def bombs(_size: str, _seed: int) -> Result:
    files = {**TEXT_BOMBS, **PDF_BOMBS, **ARCHIVE_BOMBS}
    print(f"{len(files)} documents made to hurt whoever reads them.", flush=True)
    async with run_server(settings=NO_RESERVE) as server:
        report = await send_hostile(server, files, until_indexed=False, tell=print_outcome)
    return hostile_figures(report), report.wrong


async def injection(size: str, seed: int) -> Result:
    documents, spoken = INJECTED[size], INJECTED_ALOUD[size]
    print(f"{documents} documents with instructions, {spoken} asked about aloud; seed {seed}.", flush=True)
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        report = await run_injection(Path(folder), documents=documents, spoken=spoken, seed=seed)
    return split(asdict(report))


def print_outcome(outcome: Outcome) -> None:
    print(f"  {outcome.seconds:6.2f} s  {outcome.file:45} {outcome.result:20} {outcome.message}", flush=True)


def hostile_figures(report: HostileReport) -> dict[str, Any]:
    """Of the files one by one, too."""
    return {
        "files": len(report.outcomes),
        "results": dict(sorted(Counter(outcome.result for outcome in report.outcomes).items())),
        "slowest_s": report.slowest_s,
        "resident_before_mb": report.resident_before_mb,
        "resident_growth_mb": report.growth_mb,
        "processes_left": report.processes_left,
        "each": [asdict(outcome) for outcome in report.outcomes],
    }


KNOWLEDGE_RUNS: Mapping[str, Run] = {
    "ingest-crash": ingest_crash,
    "bulk": bulk,
    "bombs": bombs,
    "injection": injection,
}
