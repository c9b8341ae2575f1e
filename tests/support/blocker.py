"""Work for a lane that ends when the test says so."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

PATIENCE_S: Final = 10.0
"""Only ever waited for by a test that fails."""


class Blocker:
    """Work that holds its lane until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    def __call__(self) -> str:
        self.entered.set()
        assert self.release.wait(PATIENCE_S)
        return "blocked"

    async def begun(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, PATIENCE_S)
