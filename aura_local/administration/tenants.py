"""Tenants, as the platform's owner runs them. Layer 3.

Acts on a tenant are entered in the tenant's own chain and, where they begin or end it, in the platform's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aura_local.accounts.permissions import authorize
from aura_local.accounts.principal import Principal
from aura_local.audit.chain import PLATFORM, entry
from aura_local.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlite_utils

    from aura_local.storage.catalog import Catalog, Tenant
    from aura_local.storage.leases import TenantLeases
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

        def record(connection: sqlite_utils.Database, tenant_id: str) -> None:
            for chain in (PLATFORM, tenant_id):
                entry(chain, actor.subject, "tenant.created")(connection, tenant_id)

        return await self._catalog.create_tenant(name, tier=tier, also=record)

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

    async def erase(self, actor: Principal, tenant_id: str) -> None:
        """The key first, then the files; the platform's chain keeps the receipt. There is no way back."""
        from aura_local.storage.erasure import erase

        authorize(actor, "platform.manage")

        def record(connection: sqlite_utils.Database, erased: str) -> None:
            for chain in (PLATFORM, erased):
                entry(chain, actor.subject, "tenant.erased")(connection, erased)

        await erase(self._catalog, self._leases, tenant_id, also=record)

    def check_tier(self, tier: str | None) -> None:
        """Raises `InvalidRequest` for a tier that the settings do not name; None is the default one."""
        if tier is not None and tier not in self._tiers:
            raise InvalidRequest(
                f"There is no tier of that name; there are: {', '.join(sorted(self._tiers))}."
            )
