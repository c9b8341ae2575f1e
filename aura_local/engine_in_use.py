"""One loaded engine and its users, so that it is closed when it is replaced and nobody uses it. Layer 4."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from aura_local.errors import AuraError

log = logging.getLogger(__name__)


class EngineInUse:
    """Counts its users; belongs to one event loop."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self._users = 0
        self._replaced = False
        self._closed = False

    @property
    def users(self) -> int:
        """Blocks of `hold` that are open."""
        return self._users

    @property
    def closed(self) -> bool:
        return self._closed

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[Any]:
        """The engine, open until the block is left. Whoever leaves a replaced engine last closes it."""
        self._users += 1
        try:
            yield self.engine
        finally:
            self._users -= 1
            await self._close_when_left()

    async def replace(self) -> None:
        """Nobody new comes: close it now, or when its last user leaves."""
        self._replaced = True
        await self._close_when_left()

    async def close(self) -> None:
        """Close it whoever uses it. Idempotent."""
        if not self._closed:
            self._closed = True
            await self.engine.close()

    async def _close_when_left(self) -> None:
        if not self._replaced or self._users:
            return
        try:
            # The last user may be leaving because it was cancelled, and the model must go all the same.
            with anyio.CancelScope(shield=True):
                await self.close()
        except AuraError as error:
            log.warning("replaced engine not closed", extra={"code": error.code})
