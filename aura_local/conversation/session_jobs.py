"""The tasks of one session, counted, so that one can wait until nothing is being worked out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup

Job: TypeAlias = Callable[..., Coroutine[Any, Any, None]]


class SessionJobs:
    """Lends the session's task group out; outside of `run` nothing is started."""

    def __init__(self) -> None:
        self._tasks: TaskGroup | None = None
        self._running = 0
        self._changed = anyio.Event()

    @property
    def busy(self) -> bool:
        """Whether anything that was started with `start` goes on."""
        return self._running > 0

    def open(self, tasks: TaskGroup) -> None:
        self._tasks = tasks

    def close(self) -> None:
        self._tasks = None
        self.signal()

    def start(self, job: Job, *values: Any) -> None:
        """Run in the session's task group; the session is not settled before it ends."""
        if self._tasks is not None:
            self._running += 1
            self._tasks.start_soon(self._counted, job, values)

    def start_listener_paced(self, job: Job, *values: Any) -> None:
        """The same for work whose length is up to the listener; it keeps nobody waiting."""
        if self._tasks is not None:
            self._tasks.start_soon(job, *values)

    async def change(self) -> None:
        """Wait until a job ends or `signal` is called."""
        await self._changed.wait()

    def signal(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _counted(self, job: Job, values: tuple[Any, ...]) -> None:
        try:
            await job(*values)
        finally:
            self._running -= 1
            self.signal()
