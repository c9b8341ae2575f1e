"""The core budget: one arbiter so that native engines never run more threads than there are cores. Layer 0.

Oversubscription is catastrophic for native engines, not gradual: with a second process busy, decoding
with two threads on two cores took 4 to 16 times as long per token as with one (measured; see also
llama.cpp PR #29258 on spin barriers).
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from aura_local.ports import Priority

QUEUE_WAIT_S: Final = 10.0


class CoreBudget:
    """A counting semaphore over cores whose waiters are served by priority, then by arrival.

    Held by engine threads for one short quantum of native work (at most about 100 ms) at a time.
    """

    def __init__(
        self,
        cores: int,
        *,
        queue_wait_s: float = QUEUE_WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if cores < 1:
            raise ValueError("a core budget needs at least one core")
        self._free = cores
        self._cores = cores
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._order = itertools.count()
        self.queues: dict[str, Callable[[], int]] = {}
        """Lengths of the queues in front of the engines that share these cores, by engine."""
        self.queue_wait_s = queue_wait_s
        """How long a person's request may stand in one of them before it is refused."""
        self._clock = clock
        self._held_since_s: dict[tuple[int, int], float] = {}
        self._served = 0
        self._served_until_s = -math.inf

    @property
    def cores(self) -> int:
        return self._cores

    @property
    def quiet_s(self) -> float:
        """For how long all work has been in the background: how sure one may be that nobody is waiting.

        0 while somebody is; infinite before anybody was.
        """
        with self._changed:
            return 0.0 if self._served else self._clock() - self._served_until_s

    @property
    def longest_hold_s(self) -> float:
        """For how long the work that holds a core longest has had it; 0 while none is held."""
        with self._changed:
            return self._clock() - min(self._held_since_s.values()) if self._held_since_s else 0.0

    @contextmanager
    def hold(self, priority: Priority, *, most: int = 1) -> Iterator[int]:
        """Wait for a core and hold it; yields how many threads the work may use.

        More than one core (up to `most`) is granted only when it is idle and nobody waits for it.
        """
        place = (int(priority), next(self._order))
        for_somebody = priority is not Priority.BACKGROUND
        with self._changed:
            self._served += for_somebody
            heapq.heappush(self._waiting, place)
            self._changed.wait_for(lambda: self._free > 0 and self._waiting[0] == place)
            heapq.heappop(self._waiting)
            granted = 1 if self._waiting else min(most, self._free)
            self._free -= granted
            self._held_since_s[place] = self._clock()
            self._changed.notify_all()
        try:
            yield granted
        finally:
            with self._changed:
                self._free += granted
                del self._held_since_s[place]
                if for_somebody:
                    self._served -= 1
                    self._served_until_s = self._clock()
                self._changed.notify_all()
