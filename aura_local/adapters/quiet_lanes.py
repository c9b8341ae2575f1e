"""Work that nobody waits for, shared out over the cores that nobody else needs. Layer 3.

One lane always works. The others join in while all has been quiet for a second: with a person speaking, a
second quantum in the background would take the core between any two tokens of the answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import anyio

from aura_local.cores import CoreBudget
from aura_local.lanes import Lane
from aura_local.ports import Caller

QUIET_S: Final = 1.0
"""Longer than the pauses between the quanta of an answer, shorter than one notices in a long ingestion."""
MOST_LANES: Final = 4
"""Above it the memory bandwidth is used up, not the cores."""


class QuietLanes:
    """As many lanes as the budget has cores, up to `MOST_LANES`."""

    def __init__(self, name: str, budget: CoreBudget) -> None:
        self._budget = budget
        count = min(budget.cores, MOST_LANES)
        self._lanes = [
            Lane(f"{name} {number}" if number > 1 else name, budget) for number in range(1, count + 1)
        ]

    def __len__(self) -> int:
        return len(self._lanes)

    async def run_all(self, quanta: Iterable[Callable[[], None]], *, caller: Caller) -> None:
        """Run every quantum once, several at a time in any order; `caller` works in the background.

        Cancelling leaves out what has not begun. Raises `EngineUnavailable`, `LaneBusy`, and what a quantum
        raises; the others have then ended or not begun.
        """
        waiting = deque(quanta)

        async def work(lane: Lane, *, helps: bool) -> None:
            while waiting and not (helps and self._budget.quiet_s < QUIET_S):
                await lane.run(waiting.popleft(), caller=caller)

        try:
            async with anyio.create_task_group() as group:
                for number, lane in enumerate(self._lanes):
                    group.start_soon(partial(work, lane, helps=number > 0))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def close(self) -> None:
        """Idempotent; see `Lane.close`."""
        for lane in self._lanes:
            await lane.close()
