"""Memory that is free inside the process goes back to the system."""

from __future__ import annotations

from pathlib import Path

from aura_local.freed_memory import give_memory_back

PAGE_BYTES = 4096
BLOCKS = 20_000


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def test_freed_memory_is_returned() -> None:
    # Small blocks lie in the heap; the last one, still in use, keeps its top from shrinking by itself.
    blocks = [bytes(3000) for _ in range(BLOCKS)]
    last = bytes(3000)
    filled = resident_mb()
    del blocks
    give_memory_back()
    assert resident_mb() < filled - 40
    assert len(last) == 3000
