"""Backups of the whole data folder, and what is put back from them. Layer 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aura_local.accounts.permissions import authorize
from aura_local.accounts.principal import Principal
from aura_local.audit.chain import PLATFORM, AuditLog, entry
from aura_local.storage.progress import Progress, unobserved

if TYPE_CHECKING:
    from pathlib import Path

    from aura_local.storage.backups import BackupReceipt
    from aura_local.storage.catalog import Catalog
    from aura_local.storage.keys import MasterKey
    from aura_local.storage.leases import TenantLeases


class Backups:
    """Acts of the owner; every one of them raises `PermissionDenied` for anybody else.

    Restoring the whole folder needs it closed: that is `storage.restoring.restore`, which whoever calls it
    enters with `record_restoration` afterwards, since the log of before is replaced as well.
    """

    def __init__(self, catalog: Catalog, leases: TenantLeases, master_key: MasterKey) -> None:
        self._catalog = catalog
        self._leases = leases
        self._master_key = master_key

    async def make(self, actor: Principal, folder: Path, *, progress: Progress = unobserved) -> BackupReceipt:
        """Into a new folder, while everything runs; audited before it begins. Raises like `back_up`."""
        from aura_local.storage.backups import back_up

        authorize(actor, "platform.manage")
        await AuditLog(self._catalog.database).append(actor.subject, "backup.made", PLATFORM)
        return await back_up(self._catalog, self._leases, self._master_key, folder, progress=progress)

    async def restore_tenant(
        self,
        actor: Principal,
        source: Path,
        tenant_id: str,
        *,
        master_key: MasterKey | None = None,
        progress: Progress = unobserved,
    ) -> None:
        """Put one tenant back; `master_key` is the backup's, where it was another one than today's.

        Raises like `storage.restoring.restore_tenant`; then nothing has changed.
        """
        from aura_local.storage.restoring import restore_tenant

        authorize(actor, "platform.manage")
        await restore_tenant(
            source,
            self._catalog,
            self._leases,
            master_key or self._master_key,
            tenant_id,
            also=entry(tenant_id, actor.subject, "backup.restored"),
            progress=progress,
        )

    async def record_restoration(self, actor: Principal, *, made_at: str) -> None:
        """Enter in the platform's log that the whole folder is that of a backup, made at `made_at`."""
        authorize(actor, "platform.manage")
        await AuditLog(self._catalog.database).append(
            actor.subject, "backup.restored", PLATFORM, made_at=made_at
        )
