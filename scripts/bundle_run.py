"""The run `bundle` of scripts/torture: an installation without a network, and what it tried to reach."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio.to_thread

from aura_local.benchmark.air_gap import run_air_gap
from aura_local.commands.network_trace import read_trace, tracer


async def bundle(_size: str) -> tuple[dict[str, Any], list[str]]:
    print("The demo profile's bundle made, copied, installed and used with loopback alone.", flush=True)
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        done = await anyio.to_thread.run_sync(run_air_gap, Path(folder), tracer)
        traces = {
            path.stem: read_trace(path.read_text("utf-8", "replace").splitlines()) for path in done.traces
        }
    wrong = list(done.report.wrong)
    wrong += [f"{step} reached for {target}" for step, seen in traces.items() for target in seen.foreign]
    wrong += [
        f"{step} asked the name server {target}" for step, seen in traces.items() for target in seen.lookups
    ]
    figures = {name: value for name, value in asdict(done.report).items() if name != "wrong"}
    sockets = {step: seen.sockets for step, seen in traces.items()}
    return figures | {
        "sockets": sockets,
        "foreign": sum(len(seen.foreign) for seen in traces.values()),
    }, wrong
