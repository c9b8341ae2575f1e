"""Tenants, as the platform's owner runs them. Layer 3.

Acts on a tenant are entered in the tenant's own chain and, where they begin or end it, in the platform's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aura_local.accounts.permissions import authorize
from aura_local.accounts.principal import Principal
from aura_local.audit.chain import PLATFORM, AuditLog, entry
from aura_local.errors import InvalidRequest
from aura_local.storage.progress import Progress, unobserved

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import sqlite_utils

    from aura_local.storage.audit_table import AlsoWrite
    from aura_local.storage.catalog import Catalog, Tenant
    from aura_local.storage.leases import TenantLeases
    from aura_local.storage.tenant_export import ArchiveReceipt
    from aura_local.tiers import TierSettings


class Tenants:
    """Acts of the owner; every one of them raises `PermissionDenied` for anybody else."""

    def __init__(self, catalog: Catalog, leases: TenantLeases, tiers: Mapping[str, TierSettings]) -> None:
        self._catalog = catalog
        self._leases = leases
        self._tiers = tiers

    async def all(self, actor: Principal) -> list[Tenant]:
        authorize(actor, "platform.manage")
        return await self._catalog.tenants()

    async def one(self, actor: Principal, tenant_id: str) -> Tenant:
        """Raises `NotFound`."""
        authorize(actor, "platform.manage")
        return await self._catalog.tenant(tenant_id)

    async def create(self, actor: Principal, name: str, *, tier: str | None = None) -> Tenant:
        """Raises `InvalidRequest` for a name or tier that is none, `Conflict` for one that is taken."""
        authorize(actor, "platform.manage")
        self.check_tier(tier)
        also = _in_both_logs(actor, "tenant.created")
        return await self._catalog.create_tenant(name, tier=tier, also=also)

    async def rename(self, actor: Principal, tenant_id: str, name: str) -> None:
        authorize(actor, "platform.manage")
        await self._catalog.rename(tenant_id, name, also=entry(tenant_id, actor.subject, "tenant.renamed"))

    async def suspend(self, actor: Principal, tenant_id: str) -> None:
        """Every credential of the tenant stops working within a second, on open sockets too."""
        authorize(actor, "platform.manage")
        also = entry(tenant_id, actor.subject, "tenant.suspended")
        await self._catalog.set_status(tenant_id, "suspended", also=also)

    async def resume(self, actor: Principal, tenant_id: str) -> None:
        authorize(actor, "platform.manage")
        also = entry(tenant_id, actor.subject, "tenant.resumed")
        await self._catalog.set_status(tenant_id, "active", also=also)

    async def set_tier(self, actor: Principal, tenant_id: str, tier: str | None) -> None:
        """None is the default tier. Raises `InvalidRequest` for one that the settings do not name."""
        authorize(actor, "platform.manage")
        self.check_tier(tier)
        also = entry(tenant_id, actor.subject, "tenant.tier_changed", tier=tier)
        await self._catalog.set_tier(tenant_id, tier, also=also)

    async def set_public_page(self, actor: Principal, tenant_id: str, *, public: bool) -> None:
        """Whether anybody may talk to the tenant's page, seeing its public documents alone."""
        authorize(actor, "tenant.manage" if actor.tenant_id == tenant_id else "platform.manage")
        also = entry(tenant_id, actor.subject, "policy.changed", public_page=public)
        await self._catalog.set_public_page(tenant_id, public, also=also)

    async def export(
        self, actor: Principal, tenant_id: str, target: Path, *, progress: Progress = unobserved
    ) -> ArchiveReceipt:
        """One portable archive, readable without AURA Local; for the tenant's administrators as well.

        Entered in the tenant's own log before it begins. A suspended tenant can be exported. Raises
        `NotFound`, and like `export_tenant`.
        """
        from aura_local.storage.tenant_export import export_tenant

        authorize(actor, "tenant.manage" if actor.tenant_id == tenant_id else "platform.manage")
        async with self._leases.lease(tenant_id, even_suspended=True) as handle:
            log = AuditLog(self._catalog.database, tenant_id)
            await log.append(actor.subject, "tenant.exported", tenant_id)
            return await export_tenant(handle, self._catalog, target, progress=progress)

    async def import_archive(
        self, actor: Principal, source: Path, name: str, *, progress: Progress = unobserved
    ) -> Tenant:
        """A new tenant of an archive from anywhere. Raises like `import_tenant`; then nothing was made."""
        from aura_local.storage.tenant_import import import_tenant

        authorize(actor, "platform.manage")
        also = _in_both_logs(actor, "tenant.imported")
        return await import_tenant(self._catalog, self._leases, source, name, also=also, progress=progress)

    async def rotate_key(self, actor: Principal, tenant_id: str, *, progress: Progress = unobserved) -> None:
        """A new key for the tenant's database and blobs. Raises like `rotate_tenant`."""
        from aura_local.storage.key_rotation import rotate_tenant

        authorize(actor, "platform.manage")
        also = entry(tenant_id, actor.subject, "tenant.key_rotated")
        await rotate_tenant(self._catalog, self._leases, tenant_id, also=also, progress=progress)

    async def erase(self, actor: Principal, tenant_id: str) -> None:
        """The key first, then the files; the platform's chain keeps the receipt. There is no way back."""
        from aura_local.storage.erasure import erase

        authorize(actor, "platform.manage")
        await erase(self._catalog, self._leases, tenant_id, also=_in_both_logs(actor, "tenant.erased"))

    def check_tier(self, tier: str | None) -> None:
        """Raises `InvalidRequest` for a tier that the settings do not name; None is the default one."""
        if tier is not None and tier not in self._tiers:
            raise InvalidRequest(
                f"There is no tier of that name; there are: {', '.join(sorted(self._tiers))}."
            )


def _in_both_logs(actor: Principal, action: str) -> AlsoWrite:
    """In the log of the platform and in the tenant's own."""

    def record(connection: sqlite_utils.Database, tenant_id: str) -> None:
        for chain in (PLATFORM, tenant_id):
            entry(chain, actor.subject, action)(connection, tenant_id)

    return record
