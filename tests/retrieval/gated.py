"""An embedder that can be made to wait, and what runs below this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import numpy as np
from numpy.typing import NDArray

from aura_local.adapters.scripted import ScriptedEmbedder
from aura_local.ports import Caller


class GatedEmbedder:
    """Says when it has been asked, and answers while its gate is open, which it is at first."""

    def __init__(self) -> None:
        self._embedder = ScriptedEmbedder()
        self.dimensions = self._embedder.dimensions
        self.window_tokens = self._embedder.window_tokens
        self.description = self._embedder.description
        self.count_tokens = self._embedder.count_tokens
        self.close = self._embedder.close
        self.asked = anyio.Event()
        self.gate = anyio.Event()
        self.gate.set()

    def close_gate(self) -> None:
        self.asked, self.gate = anyio.Event(), anyio.Event()

    async def embed(self, texts: Sequence[str], *, caller: Caller) -> NDArray[np.float32]:
        self.asked.set()
        await self.gate.wait()
        return await self._embedder.embed(texts, caller=caller)


def child_processes() -> set[int]:
    """Processes that this one has started and that are still there."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(child) for path in lists for child in path.read_text().split()}


async def until_a_child_runs(before: set[int]) -> set[int]:
    with anyio.fail_after(20):
        while not (new := child_processes() - before):
            await anyio.lowlevel.checkpoint()
    return new
