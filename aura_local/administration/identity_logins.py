"""From a provider's word to our tokens: who may sign in, who joins, and their audit entries. Layer 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aura_local.accounts.provider_errors import not_accepted
from aura_local.audit.chain import PLATFORM, AuditLog, entry
from aura_local.errors import AuthenticationFailed, NotFound

if TYPE_CHECKING:
    from aura_local.accounts.id_tokens import Identity
    from aura_local.accounts.identified import Identified
    from aura_local.accounts.logins import Logins, Tokens
    from aura_local.accounts.users import User
    from aura_local.settings import OidcSettings
    from aura_local.storage.catalog import Catalog


class IdentityLogins:
    """Signs in people that the identity provider of the settings has recognised."""

    def __init__(
        self, catalog: Catalog, identified: Identified, logins: Logins, settings: OidcSettings
    ) -> None:
        self._catalog = catalog
        self._identified = identified
        self._logins = logins
        self._settings = settings
        self._platform_log = AuditLog(catalog.database, PLATFORM)

    async def log_in(self, identity: Identity) -> Tokens:
        """Raises `AuthenticationFailed` for people whom we do not know or let in, and `TenantSuspended`."""
        domains = self._settings.allowed_email_domains
        if domains and identity.email.rpartition("@")[2] not in domains:
            raise not_accepted("an e-mail address of another domain")
        user = await self._identified.find(identity)
        if user is None:
            user = await self._join(identity)
        login = entry(user.tenant_id or PLATFORM, f"user:{user.id}", "login", method="oidc")
        try:
            return await self._logins.login_as(user.id, also=login)
        except AuthenticationFailed as error:
            raise not_accepted("a person who is suspended") from error

    async def refused(self) -> None:
        """Enter a failure, without saying whose; who it was nobody has proved."""
        await self._platform_log.append("anonymous", "login_failed", "login", method="oidc")

    async def _join(self, identity: Identity) -> User:
        settings = self._settings
        if not settings.create_users or settings.new_user_tenant is None:
            raise not_accepted("a person without an account")
        role = settings.new_user_role
        try:
            tenant = await self._catalog.tenant_by_name(settings.new_user_tenant)
            joined = entry(tenant.id, "identity_provider", "user.created", role=role, method="oidc")
            return await self._identified.join(tenant.id, identity, role, also=joined)
        except NotFound as error:
            raise not_accepted("a tenant for new people that does not exist") from error
