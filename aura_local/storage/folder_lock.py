"""Who may use a data folder: many processes together, or one alone. Layer 1.

Replacing the platform's file (a new master key, a restored backup) under a running process would lose
what that process writes afterwards, so such work needs the folder alone. The lock is the kernel's
(`flock`): it ends with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aura_local.errors import Busy
from aura_local.storage.durable_files import make_private_folder
from aura_local.storage.sqlite_errors import file_errors_translated

LOCK_FILE: Final = "aura.lock"


@contextmanager
def use_folder(home: Path, *, alone: bool = False) -> Iterator[None]:
    """Hold `home`, creating it where it is missing.

    Raises Busy at once where others have it (`alone`) or one has it alone, and StorageUnavailable.
    """
    with file_errors_translated(home / LOCK_FILE):
        make_private_folder(home)
        descriptor = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(
                f"AURA Local is running on {home}: stop it first, then do this again."
                if alone
                else f"{home} is being restored or gets another master key: try again when that is done."
            ) from error
        yield
    finally:
        os.close(descriptor)
