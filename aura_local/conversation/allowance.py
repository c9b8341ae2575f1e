"""What a conversation may use: asked for before the work, told after it. Layer 2.

The engine gives every conversation an allowance that knows the tenant's quota and ledger; conversations know
nothing of either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol, TypeAlias

import sqlite_utils

LedgerWrite: TypeAlias = Callable[[sqlite_utils.Database], None]
"""Enters what was used, inside the transaction that stores what it was used for."""

USED_UP: Final = "I cannot answer now, because the allowance of this organisation is used up."
"""Spoken instead of an answer."""


class Allowance(Protocol):
    """One conversation's share of its tenant's quota."""

    def reserve(self) -> AbstractAsyncContextManager[None]:
        """Set aside what one answer may use, until the block is left. Raises `QuotaExceeded` on entry."""
        ...

    def spent(self, answer_id: str, work: Mapping[str, int]) -> LedgerWrite:
        """Enter the work of one answer; the same id is entered once. `work` as in `TurnMetrics.work`."""
        ...


class Unlimited:
    """The allowance of conversations that nobody counts: benchmarks and tests."""

    @asynccontextmanager
    async def reserve(self) -> AsyncIterator[None]:
        yield

    def spent(self, answer_id: str, work: Mapping[str, int]) -> LedgerWrite:
        return lambda _connection: None
