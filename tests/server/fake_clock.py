"""A clock that moves only when a test says so."""

from __future__ import annotations

import heapq
import itertools

import anyio
import anyio.lowlevel

_STEPS = 8
"""Turns of the event loop after which every task that was woken has come to rest again."""


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 0.0
        self._sleepers: list[tuple[float, int, anyio.Event]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        heapq.heappush(self._sleepers, (round(self.now_s + seconds, 6), next(self._order), woken))
        await woken.wait()

    async def settle(self) -> None:
        for _ in range(_STEPS):
            await anyio.lowlevel.checkpoint()

    async def advance(self, seconds: float) -> None:
        """Let time pass; sleepers wake in order, each at its own time."""
        await self.settle()
        end_s = round(self.now_s + seconds, 6)
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self.now_s, _, woken = heapq.heappop(self._sleepers)
            woken.set()
            await self.settle()
        self.now_s = end_s
        await self.settle()
