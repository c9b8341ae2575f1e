"""Copies files out of a bundle, or out of what its base left, into folders that nothing reads yet. Layer 4.

Standard library and `aura_local.errors` only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from aura_local.bundle.layout import COPY_BYTES
from aura_local.bundle.manifest import BundleFile, Manifest
from aura_local.bundle.reading import Bundle, Progress
from aura_local.errors import Busy, NotFound

Kept: TypeAlias = Callable[[BundleFile], Path]
"""Where a file that the bundle does not carry should be."""


def stage(bundle: Bundle, files: Iterable[BundleFile], folder: Path, kept: Kept, progress: Progress) -> None:
    """Put `files` under `folder`, which is new, each proved and durable. Blocks.

    Raises `UnreadableInput` for a file that is not the signed one and `NotFound` for one that is neither
    here nor there.
    """
    wanted = tuple(files)
    done_bytes, all_bytes = 0, sum(file.size_bytes for file in wanted)
    for file in wanted:
        place = folder.joinpath(*file.name.split("/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        pieces = (
            _kept_pieces(bundle.manifest, file, kept(file)) if file.offset is None else bundle.pieces(file)
        )
        # A new file each time: nothing that a link could lead away from.
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "wb") as copy:
            for piece in pieces:
                copy.write(piece)
                done_bytes += len(piece)
                progress(file.name, done_bytes, all_bytes)
            copy.flush()
            os.fsync(copy.fileno())
    for path in [*(path for path in folder.rglob("*") if path.is_dir()), folder]:
        sync_folder(path)


def is_whole(path: Path, file: BundleFile) -> bool:
    """Whether the regular file at `path` is the one that the manifest means. Hashes it."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size_bytes:
            return False
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes) -> None:
    """Replace `path` by a file with `content`, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold `folder`, which exists, for changes. Raises `Busy` at once where another process has it."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(f"Another command is changing {folder}: try again when it has ended.") from error
        yield
    finally:
        os.close(descriptor)


def _kept_pieces(manifest: Manifest, file: BundleFile, path: Path) -> Iterator[bytes]:
    missing = NotFound(
        f"The bundle carries only what changed, and {file.name} of its base ({(manifest.base or '')[:16]}) "
        "is not here as it was: install the base first, or a whole bundle.",
        code="bundle_base_missing",
    )
    if not is_whole(path, file):
        raise missing
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while piece := content.read(COPY_BYTES):
            digest.update(piece)
            yield piece
    # Once more, what was really copied.
    if digest.hexdigest() != file.sha256:
        raise missing
