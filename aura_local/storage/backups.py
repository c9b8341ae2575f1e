"""A backup of the whole data folder, made while AURA Local runs. Layer 1.

Not in it: the master key file (keep it elsewhere, once) and the vector indexes, which are built anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

import aura_local
from aura_local.errors import Busy, Conflict, InvalidRequest, NotFound, StorageDamaged
from aura_local.storage.backup_manifest import BackupFile, BackupManifest, copied, described, sync_tree
from aura_local.storage.catalog import Catalog
from aura_local.storage.database_copies import connected
from aura_local.storage.durable_files import make_private_folder, sync_folder
from aura_local.storage.keys import PLATFORM_DATABASE, MasterKey
from aura_local.storage.leases import TenantLeases
from aura_local.storage.progress import Progress, unobserved
from aura_local.storage.sealed_key import SEALED_FILE
from aura_local.storage.sqlite_errors import file_errors_translated
from aura_local.storage.tenant_files import BLOB_FOLDER, TENANT_DATABASE, blob_paths, tenant_folder

_ROUNDS: Final = 5
_SETTINGS_FILE: Final = "aura.toml"


@dataclass(frozen=True, slots=True)
class BackupReceipt:
    """What has been backed up."""

    folder: Path
    tenants: int
    files: int
    size_bytes: int
    left_out: tuple[str, ...]
    """Ids of tenants whose file is damaged."""


async def back_up(
    catalog: Catalog,
    leases: TenantLeases,
    master_key: MasterKey,
    target: Path,
    *,
    progress: Progress = unobserved,
) -> BackupReceipt:
    """Write a backup to the new folder `target`, which appears whole or not at all.

    Everything acknowledged before the call is in it. `progress` counts tenants. Damaged tenants are left
    out and named. Raises Conflict if `target` exists, InvalidRequest inside the data folder, Busy when
    tenants change faster than they are copied, StorageFull, StorageUnavailable.
    """
    if await to_thread.run_sync(lambda: target.resolve().is_relative_to(leases.home.resolve())):
        raise InvalidRequest(
            "A backup inside the data folder would be lost with it: name a folder elsewhere."
        )
    if await to_thread.run_sync(target.exists):
        raise Conflict(f"{target} exists already: name a new folder for the backup.")
    draft = target.with_name(f"{target.name}.partial")
    try:
        await to_thread.run_sync(_begin, draft)
        manifest = await _Copying(catalog, leases, master_key, draft, progress).run()
        await to_thread.run_sync(_finish, draft, target, manifest)
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(lambda: shutil.rmtree(draft, ignore_errors=True))
    return BackupReceipt(
        folder=target,
        tenants=len(manifest.tenant_ids()),
        files=len(manifest.files),
        size_bytes=sum(file.size_bytes for file in manifest.files),
        left_out=manifest.left_out,
    )


class _Copying:
    """One backup being made.

    Tenants come, go and change their keys meanwhile, so the platform's file is copied again until the
    tenants in it are those that have been copied, under the keys that it wraps.
    """

    def __init__(
        self, catalog: Catalog, leases: TenantLeases, master_key: MasterKey, draft: Path, progress: Progress
    ) -> None:
        self._catalog = catalog
        self._leases = leases
        self._master_key = master_key
        self._draft = draft
        self._progress = progress
        self._keys: dict[str, bytes] = {}
        self._files: dict[str, list[BackupFile]] = {}

    async def run(self) -> BackupManifest:
        for _ in range(_ROUNDS):
            keys = await self._platform()
            outdated = [tenant_id for tenant_id in keys if self._keys.get(tenant_id) != keys[tenant_id]]
            if not outdated:
                return await self._manifest(keys)
            for count, tenant_id in enumerate(outdated):
                self._progress(count, len(outdated))
                await self._tenant(tenant_id, keys[tenant_id])
            self._progress(len(outdated), len(outdated))
        raise Busy("Tenants are being made or changed all the time: make the backup again in a while.")

    async def _platform(self) -> Mapping[str, bytes]:
        path = self._draft / PLATFORM_DATABASE
        await to_thread.run_sync(lambda: path.unlink(missing_ok=True))
        await self._catalog.database.backup(path)
        return await to_thread.run_sync(tenant_keys, path, self._master_key)

    async def _tenant(self, tenant_id: str, key: bytes) -> None:
        target = tenant_folder(self._draft, tenant_id)
        await to_thread.run_sync(lambda: shutil.rmtree(target, ignore_errors=True))
        await to_thread.run_sync(make_private_folder, target)
        files: dict[str, BackupFile] = {}
        try:
            async with self._leases.lease(tenant_id, even_suspended=True) as handle:
                if await self._catalog.tenant_key(tenant_id) != key:
                    return  # it is copied in the next round
                # Twice: what is deleted meanwhile is there from before, what is new is there from after.
                await to_thread.run_sync(_copy_blobs, handle.folder, target, files)
                await handle.database.backup(target / TENANT_DATABASE)
                await to_thread.run_sync(_copy_blobs, handle.folder, target, files)
        except StorageDamaged:
            await to_thread.run_sync(shutil.rmtree, target)
            files.clear()
        except (NotFound, Busy):
            return
        else:
            name = f"tenants/{tenant_id}/{TENANT_DATABASE}"
            files[name] = await to_thread.run_sync(described, target / TENANT_DATABASE, name)
        self._files[tenant_id] = list(files.values())
        self._keys[tenant_id] = key

    async def _manifest(self, keys: Mapping[str, bytes]) -> BackupManifest:
        for gone in self._files.keys() - keys.keys():
            del self._files[gone]
            await to_thread.run_sync(shutil.rmtree, tenant_folder(self._draft, gone), True)
        others = await to_thread.run_sync(_copy_others, self._leases.home, self._draft)
        tenants = [file for tenant_id in sorted(self._files) for file in self._files[tenant_id]]
        return BackupManifest(
            product_version=aura_local.__version__,
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            files=(*others, *tenants),
            left_out=tuple(sorted(tenant_id for tenant_id, files in self._files.items() if not files)),
        )


def tenant_keys(platform_database: Path, master_key: MasterKey) -> dict[str, bytes]:
    """The tenants' keys in a copy of the platform's file. Raises KeyUnavailable, StorageDamaged."""
    with connected(platform_database, master_key.derive("platform")) as connection:
        rows = connection.execute("SELECT id, wrapped_key FROM tenants").fetchall()
    return {tenant_id: master_key.unwrap(tenant_id, wrapped) for tenant_id, wrapped in rows}


def _begin(draft: Path) -> None:
    with file_errors_translated(draft):
        if draft.is_dir():
            shutil.rmtree(draft)
        make_private_folder(draft)


def _copy_blobs(source: Path, target: Path, files: dict[str, BackupFile]) -> None:
    with file_errors_translated(target):
        for path in blob_paths(source / BLOB_FOLDER):
            below = path.relative_to(source).as_posix()
            name = f"tenants/{source.name}/{below}"
            if name not in files:
                try:
                    files[name] = copied(path, target / below, name)
                except FileNotFoundError:
                    continue  # deleted a moment ago


def _copy_others(home: Path, draft: Path) -> list[BackupFile]:
    with file_errors_translated(draft):
        files = [described(draft / PLATFORM_DATABASE, PLATFORM_DATABASE)]
        for name in (SEALED_FILE, _SETTINGS_FILE):
            if (home / name).is_file():
                files.append(copied(home / name, draft / name, name))
    return files


def _finish(draft: Path, target: Path, manifest: BackupManifest) -> None:
    with file_errors_translated(target):
        manifest.write(draft)
        sync_tree(draft)
        draft.rename(target)
        sync_folder(target.parent)
