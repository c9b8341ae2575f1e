"""What a running process holds, read from /proc: memory, threads, descriptors. Linux only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MB: Final = 1_000_000
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True, slots=True)
class Held:
    """One look at a process."""

    resident_bytes: int
    threads: int
    descriptors: int


def look_at(process_id: int) -> Held:
    """What the process holds at this moment. Raises `OSError` when it is gone."""
    place = Path(f"/proc/{process_id}")
    return Held(
        resident_bytes=int((place / "statm").read_text().split()[1]) * _PAGE_BYTES,
        threads=len(os.listdir(place / "task")),
        descriptors=len(os.listdir(place / "fd")),
    )
