"""The last resort of an orderly end: a process that does not get there in time ends all the same. Layer 5.

A native engine cannot be interrupted, and closing waits for it. Whatever was acknowledged is on the disk by
then, so an end without a goodbye loses nothing; one that never comes makes the machine wait.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio

log = logging.getLogger(__name__)

FORCED: Final = 1
"""Exit code of a process that had to be ended."""
LOOK_EVERY_S: Final = 0.1


class ExitDeadline:
    """Counts from `start`; a thread of its own, because a blocked event loop is one of the reasons for it."""

    def __init__(self, limit_s: float, *, end: Callable[[int], object] = os._exit) -> None:
        self._limit_s = limit_s
        self._end = end
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        """From now on the end may take `limit_s`. A second call changes nothing."""
        if self._timer is None:
            self._timer = threading.Timer(self._limit_s, self._give_up)
            self._timer.daemon = True
            self._timer.start()

    def cancel(self) -> None:
        """The end has come by itself."""
        if self._timer is not None:
            self._timer.cancel()

    async def start_when(self, stopping: Callable[[], bool]) -> None:
        """Start as soon as `stopping` is true; returns then."""
        while not stopping():  # noqa: ASYNC110 - uvicorn announces it in no other way
            await anyio.sleep(LOOK_EVERY_S)
        self.start()

    def _give_up(self) -> None:
        log.error("the server did not end in time and was cut off", extra={"fields": {"s": self._limit_s}})
        self._end(FORCED)


@contextmanager
def exit_deadline(limit_s: float) -> Iterator[ExitDeadline]:
    """A deadline for everything that this block still has to do once it was started."""
    deadline = ExitDeadline(limit_s)
    try:
        yield deadline
    finally:
        deadline.cancel()
