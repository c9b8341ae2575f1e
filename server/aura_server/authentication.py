"""Who is asking: the one way from a request's headers to a tenant. Layer 5.

`Authorization: Bearer <key>` is the only credential; there is no second header, cookie or query parameter
whose check could be forgotten. The voice socket also takes the key in its `start` message, because
browsers cannot set headers there, and hands it to the same `Engine.authenticate`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aura_local.errors import AuthenticationFailed

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.storage.leases import TenantHandle

KEY_LIMIT_CHARACTERS: Final = 200
"""Longer than any credential we issue; nothing longer is looked at."""


def presented_key(headers: Mapping[str, str]) -> str | None:
    """The bearer key of a request, None if it presents no credential at all.

    Raises `AuthenticationFailed` for any other scheme.
    """
    value = headers.get("authorization")
    if value is None:
        return None
    scheme, _, key = value.partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key or len(key) > KEY_LIMIT_CHARACTERS:
        raise AuthenticationFailed("Send the API key as `Authorization: Bearer <key>`.")
    return key


@asynccontextmanager
async def tenant_of(engine: Engine, headers: Mapping[str, str]) -> AsyncIterator[TenantHandle]:
    """Lend the tenant that the request's credential leads to, for as long as the answer takes.

    Raises `AuthenticationFailed`, and what leasing raises.
    """
    key = presented_key(headers)
    if key is None:
        raise AuthenticationFailed("This needs an API key: send it as `Authorization: Bearer <key>`.")
    principal = await engine.authenticate(key)
    async with engine.leases.lease(principal.tenant_id) as handle:
        yield handle
