"""Who may do what: the one permission table, and the one function that asks it. Layer 2."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, get_args

from aura_local.errors import InvalidRequest, PermissionDenied

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal

Role = Literal["owner", "admin", "member", "viewer", "service", "visitor"]
UserRole = Literal["owner", "admin", "member", "viewer"]
"""Roles of people; the others are those of API keys and of visitors."""

Permission = Literal[
    "talk",
    "documents.read",
    "documents.write",
    "status.read",
    "metrics.read",
    "usage.read",
    "audit.read",
    "account.manage",
    "users.manage",
    "keys.manage",
    "widgets.manage",
    "secrets.manage",
    "tenant.manage",
    "platform.manage",
]
"""`account.manage` is about oneself; `tenant.manage` about one's own tenant, `platform.manage` about all."""

PERMISSIONS: Final[frozenset[Permission]] = frozenset(get_args(Permission))

_VIEWER: Final[frozenset[Permission]] = frozenset({"talk", "documents.read", "status.read", "account.manage"})
_MEMBER: Final[frozenset[Permission]] = _VIEWER | {"documents.write"}

ROLES: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        # The owner runs the platform and reads nobody's documents: those belong to the tenants.
        "owner": frozenset(
            {
                "platform.manage",
                "users.manage",
                "account.manage",
                "status.read",
                "metrics.read",
                "usage.read",
                "audit.read",
            }
        ),
        "admin": _MEMBER
        | {
            "usage.read",
            "audit.read",
            "metrics.read",
            "users.manage",
            "keys.manage",
            "widgets.manage",
            # Of people alone: a key that leaks must not be able to replace those of providers.
            "secrets.manage",
            "tenant.manage",
        },
        "member": _MEMBER,
        "viewer": _VIEWER,
        # A key has what its scopes say, at most this.
        "service": frozenset(
            {
                "talk",
                "documents.read",
                "documents.write",
                "status.read",
                "metrics.read",
                "usage.read",
                "keys.manage",
                "users.manage",
                "widgets.manage",
                "audit.read",
                "tenant.manage",
            }
        ),
        # Sees documents for the public alone, and is not remembered.
        "visitor": frozenset({"talk", "status.read"}),
    }
)

USUAL_SCOPES: Final[frozenset[Permission]] = frozenset(
    {"talk", "documents.read", "documents.write", "status.read", "metrics.read", "usage.read"}
)
"""Of a key that is made without scopes."""


def authorize(principal: Principal, permission: Permission) -> None:
    """Raises `PermissionDenied` unless the principal holds the permission."""
    if permission not in principal.permissions:
        raise PermissionDenied(f"This credential does not reach that far: it lacks `{permission}`.")


def scopes_from(names: frozenset[str]) -> frozenset[Permission]:
    """The scopes of an API key by their names. Raises `InvalidRequest` for one that keys cannot have."""
    known = ROLES["service"]
    unknown = names - known
    if unknown or not names:
        raise InvalidRequest(f"The scopes of a key are some of: {', '.join(sorted(known))}.")
    return frozenset(scope for scope in ROLES["service"] if scope in names)
