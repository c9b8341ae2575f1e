"""Puts the folders of tests into memory where the system has room there. A pytest plugin.

The product syncs every commit to the disk, and waiting for it was half of the tests' time. What they check (a
process killed at any moment, a full disk, damaged files) is the same on a file system in memory. A place
named with `--basetemp` or `PYTEST_DEBUG_TEMPROOT` is used as it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

SHARED_MEMORY: Final = Path("/dev/shm")
LEAST_FREE_BYTES: Final = 2 * 1024**3
"""Several times what a whole run holds at once. Containers usually have 64 MiB there; they use the disk."""

PLACE_VARIABLE: Final = "PYTEST_DEBUG_TEMPROOT"
"""Below it pytest makes a folder per run, and removes those of earlier runs."""


def has_room(folder: Path, least_free_bytes: int = LEAST_FREE_BYTES) -> bool:
    """Whether tests can do in `folder` what they do on a disk: write as much as they need, and execute."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    system = os.statvfs(folder)
    return not system.f_flag & os.ST_NOEXEC and system.f_bavail * system.f_frsize >= least_free_bytes


def chosen_place(basetemp: str | None, environment: Mapping[str, str], memory: Path) -> Path | None:
    """Where to put this run's folders; None leaves it as it is."""
    return memory if basetemp is None and PLACE_VARIABLE not in environment and has_room(memory) else None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # By variable: a folder given with --basetemp would be shared by runs at the same time, and kept.
    place = chosen_place(config.option.basetemp, os.environ, SHARED_MEMORY)
    if place is not None:
        os.environ[PLACE_VARIABLE] = str(place)
