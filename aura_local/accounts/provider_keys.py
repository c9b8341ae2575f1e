"""The public keys of an identity provider, kept for an hour, asked for again when one is missing. Layer 2."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

from aura_local.accounts.id_tokens import JsonWebKey
from aura_local.accounts.provider_errors import not_accepted

KEPT_S: Final = 3600.0
"""A key that the provider has withdrawn is accepted for at most so long."""

REFETCH_PAUSE_S: Final = 60.0
"""Between two requests for a missing key: tokens of a broken provider must not make us ask without end."""


class ProviderKeys:
    """Not for use by several tasks at once."""

    def __init__(self, fetch: Callable[[], Awaitable[list[JsonWebKey]]], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: list[JsonWebKey] = []
        self._fetched_at_s = -inf
        self._missed_at_s = -inf

    async def key(self, key_id: str | None) -> JsonWebKey:
        """The key of this id; None stands for the only one there is.

        Raises `AuthenticationFailed` if there is none even after asking again, and what `fetch` raises.
        """
        if self._clock() - self._fetched_at_s >= KEPT_S:
            await self._refresh()
        found = self._find(key_id)
        if found is None and self._clock() - self._missed_at_s >= REFETCH_PAUSE_S:
            self._missed_at_s = self._clock()
            await self._refresh()
            found = self._find(key_id)
        if found is None:
            raise not_accepted("an identity token signed with an unknown key")
        return found

    async def _refresh(self) -> None:
        self._keys = await self._fetch()
        self._fetched_at_s = self._clock()

    def _find(self, key_id: str | None) -> JsonWebKey | None:
        found = [key for key in self._keys if key_id is None or key.get("kid") == key_id]
        return found[0] if len(found) == 1 else None
