"""What a running process holds, read from /proc: memory, threads, descriptors. Linux only."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MB: Final = 1_000_000
_CHROMA_CONNECTION: Final = "sqlx-sqlite-wor"
"""Name of the threads in question, as far as the kernel keeps it."""
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True, slots=True)
class Held:
    """One look at a process."""

    resident_bytes: int
    threads: int
    descriptors: int
    """Both without those of the connections that Chroma has to its own file. It opens one, with a thread of
    its own, whenever all others are busy, up to ten an index: their number follows the scheduler."""


def look_at(process_id: int) -> Held:
    """What the process holds at this moment. Raises `OSError` when it is gone."""
    place = Path(f"/proc/{process_id}")
    return Held(
        resident_bytes=int((place / "statm").read_text().split()[1]) * _PAGE_BYTES,
        threads=sum(name != _CHROMA_CONNECTION for name in _thread_names(place / "task")),
        descriptors=sum("/chroma/" not in target for target in _open_files(place / "fd")),
    )


def _thread_names(folder: Path) -> list[str]:
    """What the threads are called; one that ends meanwhile is left out."""
    names = []
    for task in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names.append((folder / task / "comm").read_text().strip())
    return names


def _open_files(folder: Path) -> list[str]:
    """Where the process's descriptors lead; one that closes meanwhile is left out."""
    targets = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            targets.append(os.readlink(folder / name))
    return targets
