"""The secrets of a tenant, such as keys of providers: stored, listed by name, removed. Layer 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aura_local.accounts.permissions import authorize
from aura_local.accounts.principal import Principal
from aura_local.audit.chain import AuditLog
from aura_local.errors import NotFound
from aura_local.storage.tenant_secrets import TenantSecrets, checked_secret_name, checked_secret_value

if TYPE_CHECKING:
    from aura_local.storage.catalog import Catalog
    from aura_local.storage.leases import TenantLeases
    from aura_local.storage.tenant_secrets import SecretName


class Secrets:
    """Acts of an actor on the secrets of the actor's tenant; none of them shows a value.

    The log lies in another file than the secrets, so an act is entered before it is done: nothing is done
    that is not in it. Every act raises `PermissionDenied` for whoever lacks `secrets.manage`.
    """

    def __init__(self, catalog: Catalog, leases: TenantLeases) -> None:
        self._catalog = catalog
        self._leases = leases

    async def all(self, actor: Principal) -> list[SecretName]:
        authorize(actor, "secrets.manage")
        async with self._leases.lease(actor.tenant) as handle:
            return await TenantSecrets(handle.database).names()

    async def put(self, actor: Principal, name: str, value: str) -> None:
        """Keep a value, in place of an earlier one. Raises `InvalidRequest`, which repeats nothing."""
        authorize(actor, "secrets.manage")
        name, value = checked_secret_name(name), checked_secret_value(value)
        async with self._leases.lease(actor.tenant) as handle:
            await self._record(actor, "secret.stored", name)
            await TenantSecrets(handle.database).put(name, value)

    async def remove(self, actor: Principal, name: str) -> None:
        """Raises `NotFound`."""
        authorize(actor, "secrets.manage")
        async with self._leases.lease(actor.tenant) as handle:
            secrets = TenantSecrets(handle.database)
            if name not in {secret.name for secret in await secrets.names()}:
                raise NotFound("There is no secret of this name.")
            await self._record(actor, "secret.removed", name)
            await secrets.remove(name)

    async def _record(self, actor: Principal, action: str, name: str) -> None:
        await AuditLog(self._catalog.database, actor.tenant).append(actor.subject, action, name)
