"""A check that closing an engine leaves nothing running."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


async def assert_closes_cleanly(open_engine: Callable[[], Any], use: Callable[[Any], Any]) -> None:
    """Open, use and close an engine twice over; no thread that was not there before may be left."""
    before = set(threading.enumerate())
    engine = open_engine()
    await use(engine)
    await engine.close()
    await engine.close()
    # The loop's own helper threads (asyncio.to_thread) are not the engine's.
    left = {
        thread.name for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio")
    }
    assert not left
