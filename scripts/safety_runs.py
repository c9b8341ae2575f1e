"""The runs of scripts/torture about many tenants, crashes, full disks and hostile clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from schema_run import schema

from aura_local.benchmark.archive_round_trip import run_round_trip
from aura_local.benchmark.canaries import run_canaries
from aura_local.benchmark.crash_run import run_crashes
from aura_local.benchmark.frame_fuzz import INSIDE_EVERY, fuzz_frames
from aura_local.benchmark.full_disk import run_full_disk
from aura_local.benchmark.questions import answerable_questions
from aura_local.benchmark.server_calls import read_metrics
from aura_local.benchmark.server_process import run_server
from aura_local.benchmark.stalled_readers import run_stalled, too_slow
from aura_local.benchmark.tenant_scale import run_scale

SIZES = ("pull-request", "nightly", "release")
PAIRS = dict(zip(SIZES, (50, 1_000, 1_000), strict=True))
KILLS = dict(zip(SIZES, (20, 300, 1_000), strict=True))
STALLED = dict(zip(SIZES, (20, 200, 200), strict=True))
GOOD = dict(zip(SIZES, (3, 10, 10), strict=True))
STALLED_ROUNDS = dict(zip(SIZES, (10, 10, 40), strict=True))
GOOD_AT_ONCE = 3
"""More questions in the same moment than two cores answer in real time would measure the cores alone."""
TENANTS = dict(zip(SIZES, (200, 1_000, 1_000), strict=True))
ACTIVE = 64
FRAMES = dict(zip(SIZES, (10_000, 1_000_000, 1_000_000), strict=True))
MOVED = dict(zip(SIZES, (2, 8, 8), strict=True))
FUZZED = {
    "AURA_LIMITS__RESUME_S": "0.5",
    "AURA_LIMITS__START_DEADLINE_S": "2",
    "AURA_LIMITS__SESSIONS": "400",
    "AURA_LIMITS__SESSIONS_PER_TENANT": "400",
    "AURA_LIMITS__SESSIONS_PER_ADDRESS": "400",
    "AURA_LIMITS__DISK_RESERVE_BYTES": "0",
}

Result = tuple[dict[str, Any], list[str]]
Run = Callable[[str, int], Awaitable[Result]]
"""Takes the size and the seed; returns figures, and what does not hold."""


async def canaries(size: str, seed: int) -> Result:
    print(f"{PAIRS[size]} conversations of 8 tenants, alone and interleaved; seed {seed}.", flush=True)
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        return split(asdict(await run_canaries(Path(folder), pairs=PAIRS[size], seed=seed)))


async def crash(size: str, seed: int) -> Result:
    print(f"{KILLS[size]} servers killed under load; seed {seed}.", flush=True)
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        return split(asdict(await run_crashes(Path(folder), kills=KILLS[size], seed=seed)))


async def stalled(size: str, seed: int) -> Result:
    print(f"{STALLED[size]} stalled readers beside {GOOD[size]} conversations; seed {seed}.", flush=True)
    questions = [question.spoken for question in answerable_questions()[: GOOD[size]]]
    report = await run_stalled(
        questions,
        stalled=STALLED[size],
        good=GOOD[size],
        rounds=STALLED_ROUNDS[size],
        at_once=GOOD_AT_ONCE,
        seed=seed,
    )
    figures, wrong = split(asdict(report))
    return figures, wrong + too_slow(report)


async def scale(size: str, seed: int) -> Result:
    print(f"{TENANTS[size]} tenants, {ACTIVE} of them at work at once; seed {seed}.", flush=True)
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        report = await run_scale(Path(folder), tenants=TENANTS[size], active=ACTIVE, seed=seed)
    return split(asdict(report))


async def full_disk(_size: str, _seed: int) -> Result:
    print("Every way of writing, on a disk without a byte left.", flush=True)
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        return split(asdict(await run_full_disk(Path(folder))))


async def round_trip(size: str, _seed: int) -> Result:
    print(f"{MOVED[size]} tenants moved to another installation, and erased.", flush=True)
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        return split(asdict(await run_round_trip(Path(folder), tenants=MOVED[size])))


async def frames(size: str, seed: int) -> Result:
    print(f"{FRAMES[size]} hostile frames at the voice socket; seed {seed}.", flush=True)
    async with run_server(settings=FUZZED) as server:
        try:
            report = await fuzz_frames(server.socket_url, server.key, frames=FRAMES[size], seed=seed)
        except AssertionError as error:
            return {"seed": seed}, [str(error)]
        refused = (await read_metrics(server))["aura_egress_denied"]
    figures = asdict(report) | {"closed_with": dict(report.closed_with)}
    wrong = [f"{refused:g} connections out were tried"] if refused else []
    if report.closed_with[1011]:
        wrong.append(f"{report.closed_with[1011]} connections ended in an error inside the server")
    if report.sessions_reached < report.connections // INSIDE_EVERY:
        wrong.append(f"only {report.sessions_reached} of {report.connections} connections had a session")
    return figures, wrong


SAFETY_RUNS: dict[str, Run] = {
    "canaries": canaries,
    "crash": crash,
    "stalled": stalled,
    "scale": scale,
    "full-disk": full_disk,
    "round-trip": round_trip,
    "frames": frames,
    "schema": schema,
}


def split(report: Mapping[str, Any]) -> Result:
    """The figures of a report, and what does not hold."""
    figures = {name: value for name, value in report.items() if name != "wrong"}
    return figures, list(report["wrong"])
