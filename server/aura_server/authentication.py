"""Who is asking: the one way from a request's headers to a principal. Layer 5.

`Authorization: Bearer <credential>` is the only place for a credential of any kind (API key, access token,
visitor token); there is no second header, cookie or query parameter whose check could be forgotten. The voice
socket also takes one, or a ticket, in its `start` message, because browsers cannot set headers there, and
hands it to the same `Engine.authenticate`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aura_local.accounts.permissions import Permission, authorize
from aura_local.accounts.principal import Principal
from aura_local.accounts.tickets import TICKET_SHAPE
from aura_local.errors import AuthenticationFailed

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.storage.leases import TenantHandle

CREDENTIAL_LIMIT_CHARACTERS: Final = 4096
"""Longer than any credential we issue; nothing longer is looked at."""


@dataclass(frozen=True, slots=True)
class Visit:
    """An authorised request to a tenant."""

    principal: Principal
    handle: TenantHandle
    """The tenant of the principal, leased for as long as the answer takes."""


def presented_credential(headers: Mapping[str, str]) -> str | None:
    """The bearer credential of a request, None if it presents none at all.

    Raises `AuthenticationFailed` for any other scheme.
    """
    value = headers.get("authorization")
    if value is None:
        return None
    scheme, _, credential = value.partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential or len(credential) > CREDENTIAL_LIMIT_CHARACTERS:
        raise AuthenticationFailed("Send the credential as `Authorization: Bearer <credential>`.")
    return credential


async def principal_of(engine: Engine, headers: Mapping[str, str], permission: Permission) -> Principal:
    """The holder of the request's credential, who has the permission.

    Raises `AuthenticationFailed`, `TenantSuspended` and `PermissionDenied`.
    """
    credential = presented_credential(headers)
    if credential is None:
        raise AuthenticationFailed(
            "This needs a credential: send it as `Authorization: Bearer <credential>`."
        )
    if TICKET_SHAPE.fullmatch(credential) is not None:
        # With one a ticket could be exchanged for the next, and a token would live on beyond its end.
        raise AuthenticationFailed("A ticket opens a socket, and nothing else.")
    principal = await engine.authenticate(credential, origin=headers.get("origin"))
    authorize(principal, permission)
    await engine.admit_request(principal)
    return principal


@asynccontextmanager
async def visit_of(
    engine: Engine, headers: Mapping[str, str], permission: Permission
) -> AsyncIterator[Visit]:
    """Lend the tenant of the request's principal, for as long as the answer takes.

    Raises what `principal_of` and leasing raise.
    """
    principal = await principal_of(engine, headers, permission)
    async with engine.leases.lease(principal.tenant) as handle:
        yield Visit(principal, handle)
