"""What a running process holds, read from /proc: memory, threads, descriptors. Linux only."""

from __future__ import annotations

import contextlib
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
    """Without those of Chroma's own file: it opens one for every pool thread that happens to ask it, so
    their number follows the scheduler and is bounded by the pool, not by the sessions."""


def look_at(process_id: int) -> Held:
    """What the process holds at this moment. Raises `OSError` when it is gone."""
    place = Path(f"/proc/{process_id}")
    return Held(
        resident_bytes=int((place / "statm").read_text().split()[1]) * _PAGE_BYTES,
        threads=len(os.listdir(place / "task")),
        descriptors=sum("/chroma/" not in target for target in _open_files(place / "fd")),
    )


def _open_files(folder: Path) -> list[str]:
    """Where the process's descriptors lead; one that closes meanwhile is left out."""
    targets = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            targets.append(os.readlink(folder / name))
    return targets
