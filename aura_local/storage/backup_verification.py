"""Whether a backup could be put back: every file compared, every database opened. Layer 1."""

from __future__ import annotations

import tempfile
from pathlib import Path

from anyio import from_thread, to_thread

from aura_local.errors import StorageDamaged
from aura_local.storage.backup_manifest import BackupFile, BackupManifest, copy_verified, described
from aura_local.storage.backups import tenant_keys
from aura_local.storage.database_copies import check
from aura_local.storage.keys import PLATFORM_DATABASE, MasterKey
from aura_local.storage.progress import Progress, unobserved
from aura_local.storage.sqlite_errors import file_errors_translated


async def verify_backup(
    source: Path, master_key: MasterKey, *, progress: Progress = unobserved
) -> BackupManifest:
    """Check everything that `restore` would, and change nothing. `progress` counts files.

    Databases are opened as copies in the system's folder for temporary files, one at a time, encrypted as
    they are. Raises StorageDamaged, and KeyUnavailable for another master key than that of the backup.
    """
    return await to_thread.run_sync(_verify, source, master_key, progress)


def _verify(source: Path, master_key: MasterKey, progress: Progress) -> BackupManifest:
    manifest = BackupManifest.read(source)
    with tempfile.TemporaryDirectory(prefix="aura-verify-") as folder, file_errors_translated(source):
        copy = Path(folder) / "copy.sqlite"
        platform = next(file for file in manifest.files if file.name == PLATFORM_DATABASE)
        copy_verified(source, platform, copy)
        keys = tenant_keys(copy, master_key)
        check(copy, master_key.derive("platform"))
        if set(manifest.tenant_ids()) | set(manifest.left_out) != keys.keys():
            raise StorageDamaged("The backup is damaged: it does not have the tenants that it says.")
        for count, file in enumerate(manifest.files):
            from_thread.run_sync(progress, count, len(manifest.files))
            if file.name.endswith("/tenant.sqlite"):
                for leftover in Path(folder).iterdir():
                    leftover.unlink()
                copy_verified(source, file, copy)
                check(copy, keys[file.name.split("/")[1]])
            else:
                _compare(source, file)
        from_thread.run_sync(progress, len(manifest.files), len(manifest.files))
    return manifest


def _compare(source: Path, file: BackupFile) -> None:
    try:
        found = described(source / file.name, file.name)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise StorageDamaged(f"The backup {source} is damaged: {file.name} is missing.") from error
    if found != file:
        raise StorageDamaged(f"The backup {source} is damaged: {file.name} is not what was written then.")
