"""The processes that a process has started, and whether they outlive it. Reads /proc: Linux only. Layer 4."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

GONE_WITHIN_S: Final = 5.0
LOOK_EVERY_S: Final = 0.01
_ENDED: Final = ("Z", "X")


@dataclass(frozen=True, slots=True)
class StartedProcess:
    """One process; the kernel gives its number to another one later, but never with the same start."""

    process_id: int
    started_ticks: int


def descendants(process_id: int) -> frozenset[StartedProcess]:
    """Children, their children and so on, as far as they have not ended."""
    by_parent: dict[int, list[StartedProcess]] = {}
    for parent, process in _running():
        by_parent.setdefault(parent, []).append(process)
    found: list[StartedProcess] = []
    waiting = [process_id]
    while waiting:
        children = by_parent.get(waiting.pop(), [])
        found += children
        waiting += [child.process_id for child in children]
    return frozenset(found)


def hold_still(process_id: int) -> frozenset[StartedProcess]:
    """Stop a process that is about to be killed, so that it starts no other; its descendants."""
    os.kill(process_id, signal.SIGSTOP)
    return descendants(process_id)


def still_running(processes: Iterable[StartedProcess]) -> frozenset[StartedProcess]:
    """Those of `processes` that have not ended."""
    return frozenset(processes) & {process for _, process in _running()}


async def outlasting(processes: frozenset[StartedProcess]) -> frozenset[StartedProcess]:
    """Those that still run after `GONE_WITHIN_S`; returns as soon as there are none."""
    until_s = time.monotonic() + GONE_WITHIN_S
    while True:
        left = still_running(processes)
        if not left or time.monotonic() > until_s:
            return left
        await anyio.sleep(LOOK_EVERY_S)


def _running() -> Iterator[tuple[int, StartedProcess]]:
    """Every process with the number of its parent."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # The name, in brackets, may hold anything; the fields come after the last bracket.
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                if fields[0] not in _ENDED:
                    yield int(fields[1]), StartedProcess(int(entry), int(fields[19]))
