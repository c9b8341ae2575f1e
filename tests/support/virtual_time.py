"""An event loop whose time passes only where every task waits for it: deadlines of minutes end at once.

For what runs on the loop alone, sockets of this process included. Threads and other processes have the time
of the world, and a wait for them would be over before they have begun.

    @pytest.fixture(scope="module")
    def anyio_backend() -> tuple[str, dict[str, Any]]:
        return VIRTUAL_TIME
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any, Final

_GRACE_S: Final = 0.002
"""For bytes that the system has in hand between two sockets of ours; measured, they take 20 microseconds."""
_LATE_S: Final = 1e-6
"""Timers fire a little late, as everywhere; sums of floats would otherwise let some fire too early."""


class _PassingSelector(selectors.DefaultSelector):
    """Where nothing is ready, lets the time that may be waited for pass instead of waiting."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(min(timeout, _GRACE_S))
        if not ready:
            self.passed_s += timeout + _LATE_S
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Begins at 0 seconds; `time` is what to give to code that takes a clock."""

    def __init__(self) -> None:
        self._passing = _PassingSelector()
        super().__init__(self._passing)

    def time(self) -> float:
        return self._passing.passed_s


VIRTUAL_TIME: Final[tuple[str, dict[str, Any]]] = ("asyncio", {"loop_factory": VirtualTimeLoop})
"""The value of the fixture `anyio_backend` for tests in virtual time."""
