"""A wake-up call for tasks that wait until some state of theirs has changed. Layer 5."""

from __future__ import annotations

import anyio


class Wakeup:
    """Wakes every task that waits at the moment of the call; the task then looks at the state again.

    All on one event loop: no call is missed between looking and waiting as long as nothing is awaited
    in between.
    """

    def __init__(self) -> None:
        self._event = anyio.Event()

    def call(self) -> None:
        self._event.set()
        self._event = anyio.Event()

    async def wait(self) -> None:
        await self._event.wait()
