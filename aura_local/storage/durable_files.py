"""Private files and folders that survive a power cut. Layer 1.

A new name in a folder is only durable after the folder itself is fsynced, so everything that creates or
renames a file in the data folder goes through here.
"""

from __future__ import annotations

import errno
import os
import resource
import secrets
from contextlib import suppress
from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PROBE_BYTES = 64 * 1024


def is_full(error: OSError) -> bool:
    """Whether `error` says that the disk, the quota or the file size limit is used up."""
    return error.errno in _FULL


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the content of `path` durable. Never for a live SQLite file: closing it drops SQLite's locks."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_folder(folder: Path) -> None:
    """Create `folder` and its missing parents with mode 0700, durably; existing ones stay as they are."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def create_private_file(path: Path, content: bytes = b"") -> None:
    """Create `path` with mode 0600 and `content`, durably. Raises FileExistsError if it is there already."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    sync_folder(path.parent)


def cannot_grow(path: Path) -> bool:
    """Whether `path` cannot get bigger: no space, no quota, or the process's file size limit is reached.

    SQLite reports only the first of the three as "full" and the others as a plain I/O error, so a failed
    write asks here. Writes and removes a small file beside `path`.
    """
    size_bytes = path.stat().st_size if path.exists() else 0
    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit_bytes != resource.RLIM_INFINITY and size_bytes + _PROBE_BYTES > limit_bytes:
        return True
    probe = path.with_name(f".space-{secrets.token_hex(8)}")
    try:
        create_private_file(probe, bytes(_PROBE_BYTES))
    except OSError as error:
        return is_full(error)
    finally:
        with suppress(OSError):
            probe.unlink()
    return False
