"""When each stage of a turn ended, counted from the last speech sample."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


class Stopwatch:
    """Marks on one monotonic clock; the first mark of a name counts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, origin_s: float | None = None) -> None:
        """`origin_s` is the time of the last speech sample, or None for now (a typed question)."""
        self._clock = clock
        self._origin_s = clock() if origin_s is None else origin_s
        self._marks_ms: dict[str, float] = {}

    def mark(self, stage: str) -> None:
        """The stage is over now."""
        if stage not in self._marks_ms:
            self._marks_ms[stage] = round((self._clock() - self._origin_s) * 1000, 1)

    @property
    def stages_ms(self) -> Mapping[str, float]:
        return dict(self._marks_ms)
