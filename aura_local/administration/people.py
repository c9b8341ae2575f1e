"""The people of a tenant, or of the platform: invited, changed, suspended, removed. Layer 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aura_local.accounts.permissions import ROLES, UserRole, authorize
from aura_local.accounts.principal import Principal
from aura_local.audit.chain import PLATFORM, AuditLog, entry
from aura_local.errors import AuthenticationFailed, PermissionDenied

if TYPE_CHECKING:
    import sqlite_utils

    from aura_local.accounts.directory import Directory, User
    from aura_local.accounts.links import Invitation, Links
    from aura_local.accounts.logins import Logins, Tokens
    from aura_local.storage.audit_table import AlsoWrite


class People:
    """Acts of an actor on the people of the actor's own tenant; the owner's are those of the platform.

    A person of another tenant is `NotFound`. Nobody gives a role, or gets an account, that can do more than
    they can.
    """

    def __init__(self, directory: Directory, links: Links, logins: Logins, platform_log: AuditLog) -> None:
        self._directory = directory
        self._links = links
        self._logins = logins
        self._platform_log = platform_log

    async def all(self, actor: Principal) -> list[User]:
        return await self._directory.users(actor.tenant_id)

    async def one(self, actor: Principal, user_id: str) -> User:
        return await self._directory.user(actor.tenant_id, user_id)

    async def setup_link(self, actor: Principal) -> str | None:
        """The single-use secret with which the first owner signs up, voiding earlier ones.

        None as soon as there is an owner.
        """
        authorize(actor, "platform.manage")
        also = _record(actor, None, "user.invited", role="owner")
        return await self._links.setup_link(also=also)

    async def invite(
        self, actor: Principal, email: str, role: UserRole, *, tenant_id: str | None = None
    ) -> Invitation:
        """A single-use link for a new person. `tenant_id` is for the owner, who invites into any tenant.

        Raises `InvalidRequest`, `Conflict` for a known address, `PermissionDenied`.
        """
        if tenant_id is not None and tenant_id != actor.tenant_id and actor.tenant_id is not None:
            raise PermissionDenied("Only the platform's owner invites people into other tenants.")
        into = actor.tenant_id if tenant_id is None else tenant_id
        _may_give(actor, role, into)
        also = _record(actor, into, "user.invited", role=role)
        return await self._links.invite(into, email, role, also=also)

    async def set_role(self, actor: Principal, user_id: str, role: UserRole) -> None:
        """Raises `Conflict` where it would leave nobody to administer."""
        _may_give(actor, role, actor.tenant_id)
        also = _record(actor, actor.tenant_id, "user.role_changed", role=role)
        await self._directory.set_role(actor.tenant_id, user_id, role, also=also)

    async def suspend(self, actor: Principal, user_id: str) -> None:
        """Every credential of the person stops working within a second, on open sockets too."""
        also = _record(actor, actor.tenant_id, "user.suspended")
        await self._directory.set_status(actor.tenant_id, user_id, "suspended", also=also)

    async def resume(self, actor: Principal, user_id: str) -> None:
        also = _record(actor, actor.tenant_id, "user.resumed")
        await self._directory.set_status(actor.tenant_id, user_id, "active", also=also)

    async def remove(self, actor: Principal, user_id: str) -> None:
        also = _record(actor, actor.tenant_id, "user.removed")
        await self._directory.remove(actor.tenant_id, user_id, also=also)

    async def reset_password(self, actor: Principal, user_id: str) -> Invitation:
        """A single-use link with which the person chooses a new password.

        Raises `PermissionDenied` for a person who can do more than the actor: the link is as good as theirs.
        """
        record = _record(actor, actor.tenant_id, "user.password_reset")

        def also(connection: sqlite_utils.Database, changed: str) -> None:
            # In the transaction: the role is the one that the person has when the link is made.
            row = connection.execute("SELECT role FROM users WHERE id = ?", [changed]).fetchone()
            _may_give(actor, row[0], actor.tenant_id)
            record(connection, changed)

        return await self._links.reset(actor.tenant_id, user_id, also=also)

    async def redeem(
        self, secret: str, *, password: str, name: str | None = None, email: str | None = None
    ) -> User:
        """Make use of a set-up, invitation or reset link. Raises `AuthenticationFailed`."""
        return await self._links.redeem(
            secret, password=password, name=name, email=email, also=_record_redeemed
        )

    async def log_in(self, email: str, password: str, *, address: str) -> Tokens:
        """Raises `AuthenticationFailed`, and `TooManyRequests` after too many attempts.

        A failure is entered without the address that was typed, which may be a password in the wrong field.
        """
        try:
            return await self._logins.login(email, password, address=address, also=_record_own("login"))
        except AuthenticationFailed:
            await self._platform_log.append("anonymous", "login_failed", "login")
            raise

    async def log_out(self, refresh_token: str) -> None:
        """End a sign-in; an unknown token changes nothing."""
        await self._logins.logout(refresh_token, also=_record_own("logout"))

    async def change_password(self, actor: Principal, old: str, new: str) -> None:
        """Ends every session of the person but the access token in hand. Raises `AuthenticationFailed`."""
        also = _record(actor, actor.tenant_id, "user.password_changed")
        await self._directory.change_password(actor.id, old, new, also=also)


def _may_give(actor: Principal, role: UserRole, tenant_id: str | None) -> None:
    if (role == "owner") != (tenant_id is None):
        raise PermissionDenied("Owners belong to the platform, everybody else to a tenant.")
    runs_platform = "platform.manage" in actor.permissions
    if not runs_platform and not ROLES[role] <= actor.permissions | {"account.manage"}:
        raise PermissionDenied("This is about a role that does more than you can do yourself.")


def _record(actor: Principal, tenant_id: str | None, action: str, **details: object) -> AlsoWrite:
    return entry(tenant_id or PLATFORM, actor.subject, action, None, **details)


def _record_own(action: str) -> AlsoWrite:
    """The entry of somebody's act on their own account, whose tenant only the account tells."""

    def write(connection: sqlite_utils.Database, user_id: str) -> None:
        row = connection.execute("SELECT tenant_id FROM users WHERE id = ?", [user_id]).fetchone()
        entry(row[0] or PLATFORM, f"user:{user_id}", action)(connection, user_id)

    return write


def _record_redeemed(connection: sqlite_utils.Database, user_id: str) -> None:
    """Whoever has never signed in has just joined; all others chose a new password."""
    row = connection.execute("SELECT last_login_at FROM users WHERE id = ?", [user_id]).fetchone()
    _record_own("user.created" if row[0] is None else "user.password_chosen")(connection, user_id)
