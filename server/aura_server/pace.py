"""How fast a client may send: a budget that fills with time. Layer 5."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Lets `per_second` units through each second, and a burst as large as what was saved up.

    A token bucket rather than a window, because a network that stalls for some seconds delivers all it
    held back at once; that is no fault of the client.
    """

    def __init__(
        self,
        *,
        per_second: float,
        initial_s: float,
        most_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`initial_s` and `most_s` are what is saved up at the start and at most, in seconds' worth."""
        self._per_second = per_second
        self._most = most_s * per_second
        self._credit = initial_s * per_second
        self._clock = clock
        self._counted_at = clock()

    def allows(self, units: float) -> bool:
        """Whether `units` may pass now."""
        now = self._clock()
        self._credit = min(self._most, self._credit + (now - self._counted_at) * self._per_second)
        self._counted_at = now
        return units <= self._credit

    def spend(self, units: float) -> bool:
        """Whether `units` may pass now; when they may not, nothing is spent."""
        if not self.allows(units):
            return False
        self._credit -= units
        return True

    def refill(self) -> None:
        """Allow the largest burst, for a client that catches up after a dropped connection."""
        self._credit = self._most
        self._counted_at = self._clock()
