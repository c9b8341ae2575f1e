"""What is in a backup, file by file, with digests. Layer 1.

A backup is a folder like the data folder, and `manifest.json`. Everything in it is encrypted as it was,
under the same keys: restoring needs the master key of its day (or, where it lies sealed in the backup,
its passphrase). Blocking; callers use a thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from aura_local.errors import StorageDamaged
from aura_local.storage.durable_files import create_private_file, make_private_folder, sync_folder

MANIFEST: Final = "manifest.json"

_FORMAT: Final = "aura-local backup, version 1"
_LIMIT_BYTES: Final = 1024 * 1024 * 1024
_READ_BYTES: Final = 1024 * 1024
_NAMES: Final = re.compile(
    r"aura\.sqlite|master\.sealed|aura\.toml"
    r"|tenants/[0-9a-f]{16}/(tenant\.sqlite|blobs/([0-9a-f]{2})/\2[0-9a-f]{62})"
)


@dataclass(frozen=True, slots=True)
class BackupFile:
    """One file of a backup."""

    name: str
    """Below the backup's folder, with slashes."""
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """Everything that belongs to a backup."""

    product_version: str
    created_at: str
    """UTC, ISO 8601."""
    files: tuple[BackupFile, ...]
    left_out: tuple[str, ...]
    """Ids of tenants whose file was damaged when the backup was made."""

    def tenant_ids(self) -> list[str]:
        """Tenants that are in it."""
        return sorted(file.name.split("/")[1] for file in self.files if file.name.endswith("/tenant.sqlite"))

    def of_tenant(self, tenant_id: str) -> list[BackupFile]:
        """The files of one tenant."""
        return [file for file in self.files if file.name.startswith(f"tenants/{tenant_id}/")]

    def write(self, folder: Path) -> None:
        """Put the manifest into the backup."""
        content = {"format": _FORMAT} | asdict(self)
        create_private_file(folder / MANIFEST, json.dumps(content, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> BackupManifest:
        """Raises StorageDamaged for anything but a manifest that this version understands."""
        path = folder / MANIFEST
        try:
            with path.open("rb") as file:
                content: dict[str, Any] = json.loads(file.read(_LIMIT_BYTES))
            if content.pop("format") != _FORMAT:
                raise ValueError("another format")
            files = tuple(BackupFile(**entry) for entry in content.pop("files"))
            names = [file.name for file in files]
            if len(set(names)) != len(names) or not all(map(_NAMES.fullmatch, names)):
                raise ValueError("names that no backup has")
            if "aura.sqlite" not in names:
                raise ValueError("no platform file")
            return cls(files=files, left_out=tuple(content.pop("left_out")), **content)
        except OSError as error:
            raise StorageDamaged(f"{folder} is no backup: {path.name} cannot be read.") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StorageDamaged(
                f"The backup {folder} is damaged, or made by a newer version: {path.name} is not understood."
            ) from error


def copied(source: Path, target: Path, name: str) -> BackupFile:
    """Copy a file that nobody writes to, private and durable, and say what it is.

    Folders that are missing are made. Raises FileNotFoundError, also for a link.
    """
    make_private_folder(target.parent)
    digest, size_bytes = hashlib.sha256(), 0
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(reading, "rb") as plain:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(writing, "wb") as copy:
            while chunk := plain.read(_READ_BYTES):
                digest.update(chunk)
                size_bytes += len(chunk)
                copy.write(chunk)
            copy.flush()
            os.fsync(writing)
    return BackupFile(name, size_bytes, digest.hexdigest())


def described(path: Path, name: str) -> BackupFile:
    """What a file is that is in its place already."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return BackupFile(name, path.stat().st_size, digest)


def copy_verified(backup: Path, file: BackupFile, target: Path) -> None:
    """Copy one file out of a backup. Raises StorageDamaged unless it is what the manifest says."""
    try:
        found = copied(backup / file.name, target, file.name)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise StorageDamaged(f"The backup {backup} is damaged: {file.name} is missing.") from error
    if found != file:
        raise StorageDamaged(f"The backup {backup} is damaged: {file.name} is not what was written then.")


def sync_tree(folder: Path) -> None:
    """Make all names below a folder durable."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
