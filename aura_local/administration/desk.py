"""Where administrators are served: all their acts, wired. Layer 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aura_local.administration.backups import Backups
from aura_local.administration.people import People
from aura_local.administration.secrets import Secrets
from aura_local.administration.service_keys import ServiceKeys
from aura_local.administration.tenants import Tenants
from aura_local.administration.widgets import Widgets
from aura_local.audit.chain import AuditLog

if TYPE_CHECKING:
    from aura_local.administration.accounts import Accounts
    from aura_local.storage.catalog import Catalog
    from aura_local.storage.keys import MasterKey
    from aura_local.storage.leases import TenantLeases
    from aura_local.tiers import TierSettings


@dataclass(frozen=True, slots=True)
class Administration:
    people: People
    keys: ServiceKeys
    secrets: Secrets
    widgets: Widgets
    tenants: Tenants
    backups: Backups

    @classmethod
    def over(
        cls,
        accounts: Accounts,
        catalog: Catalog,
        leases: TenantLeases,
        master_key: MasterKey,
        tiers: Mapping[str, TierSettings],
    ) -> Administration:
        return cls(
            people=People(accounts.directory, accounts.links, accounts.logins, AuditLog(catalog.database)),
            keys=ServiceKeys(accounts.api_keys),
            secrets=Secrets(catalog, leases),
            widgets=Widgets(accounts.visitors),
            tenants=Tenants(catalog, leases, tiers),
            backups=Backups(catalog, leases, master_key),
        )
