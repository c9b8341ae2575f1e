"""Who is asking. Layer 2."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from aura_local.accounts.permissions import ROLES, Permission, Role
from aura_local.errors import PermissionDenied

PrincipalKind = Literal["user", "key", "visitor", "operator"]
"""`operator`: whoever may run commands on the machine itself."""


@dataclass(frozen=True, slots=True)
class Principal:
    """What a credential leads to. The tenant of a request comes from here and from nowhere else."""

    kind: PrincipalKind
    id: str
    """Of the user, of the API key, or of the visitor's session."""
    tenant_id: str | None
    """None for the platform's owner, who belongs to no tenant."""
    role: Role
    permissions: frozenset[Permission]
    label: str = field(repr=False)
    """Chosen by people; for display alone."""
    epoch: int = 0
    """Of the user when the credential was issued: tokens of an earlier epoch are void."""
    expires_at: float | None = None
    """Unix time in seconds, UTC."""
    origin: str | None = None
    """The only web origin that may use a visitor's token; None where it is bound to none."""
    widget_id: str | None = None
    """The widget or kiosk that a visitor's token was issued for."""

    @property
    def subject(self) -> str:
        """Names the principal in ledgers, logs and as the owner of conversations: `user:6943160b176b221a`."""
        return f"{self.kind}:{self.id}"

    @property
    def remembered(self) -> bool:
        """Whether conversations are stored."""
        return self.kind != "visitor"

    @property
    def tenant(self) -> str:
        """The tenant. Raises `PermissionDenied` for the platform's owner."""
        if self.tenant_id is None:
            raise PermissionDenied("The platform's owner belongs to no tenant; sign in as one of its people.")
        return self.tenant_id


def operator(tenant_id: str | None = None) -> Principal:
    """Whoever runs commands on the machine; they hold the master key, so nothing is kept from them."""
    role: Role = "owner" if tenant_id is None else "admin"
    return Principal("operator", "local", tenant_id, role, ROLES[role], "command line")
