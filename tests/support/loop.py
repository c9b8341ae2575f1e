"""Letting the event loop run without looking at the clock."""

from __future__ import annotations

import anyio.lowlevel


async def idle() -> None:
    """Let every task go as far as it can by itself, without threads and time."""
    for _ in range(100):
        await anyio.lowlevel.checkpoint()
