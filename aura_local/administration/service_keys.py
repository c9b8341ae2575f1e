"""The API keys of a tenant: made, rotated, revoked. Layer 3."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aura_local.accounts.api_keys import key_by_id
from aura_local.accounts.permissions import USUAL_SCOPES, scopes_from
from aura_local.accounts.principal import Principal
from aura_local.audit.chain import entry
from aura_local.errors import PermissionDenied

if TYPE_CHECKING:
    import sqlite_utils

    from aura_local.accounts.api_keys import ApiKey, ApiKeys, IssuedKey


class ServiceKeys:
    """Acts of an actor on the keys of the actor's tenant; another tenant's key is `NotFound`."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def all(self, actor: Principal) -> list[ApiKey]:
        return await self._keys.of_tenant(actor.tenant)

    async def create(
        self,
        actor: Principal,
        label: str,
        *,
        scopes: frozenset[str] | None = None,
        expires_at: datetime | None = None,
    ) -> IssuedKey:
        """A new key; None gives it the usual scopes, as far as the actor has them.

        Raises `InvalidRequest` for unknown scopes, `PermissionDenied` for more than the actor can do.
        """
        granted = USUAL_SCOPES & actor.permissions if scopes is None else scopes_from(scopes)
        if not granted <= actor.permissions:
            raise PermissionDenied("A key cannot do more than whoever makes it.")
        also = entry(actor.tenant, actor.subject, "key.created", scopes=sorted(granted))
        return await self._keys.issue(actor.tenant, label, scopes=granted, expires_at=expires_at, also=also)

    async def rotate(self, actor: Principal, key_id: str, *, overlap: timedelta) -> IssuedKey:
        """A successor with the same scopes; the old key works for `overlap` more.

        Raises `PermissionDenied` for a key that can do more than the actor, who is shown its successor.
        """
        record = entry(actor.tenant, actor.subject, "key.rotated", predecessor=key_id)

        def also(connection: sqlite_utils.Database, successor_id: str) -> None:
            successor = key_by_id(connection, successor_id)
            if successor is None or not successor.scopes <= actor.permissions:
                raise PermissionDenied("A key cannot do more than whoever makes it.")
            record(connection, successor_id)

        return await self._keys.rotate(actor.tenant, key_id, overlap=overlap, also=also)

    async def revoke(self, actor: Principal, key_id: str) -> None:
        """Servers refuse the key within a second, on open sockets too."""
        also = entry(actor.tenant, actor.subject, "key.revoked")
        await self._keys.revoke(actor.tenant, key_id, also=also)
