"""The one way from any credential to a principal. Layer 2.

What is presented tells by its shape what it is: API key, ticket, or a signed token of a person or visitor.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import sqlite_utils

from aura_local.accounts.access_tokens import access_principal
from aura_local.accounts.api_keys import KEY_SHAPE, ApiKeys, key_by_id
from aura_local.accounts.holders import key_principal, user_principal, visitor_principal
from aura_local.accounts.moments import Now, stamp, utc_now
from aura_local.accounts.principal import Principal
from aura_local.accounts.random_secrets import digest_of
from aura_local.accounts.refusal import refusal
from aura_local.accounts.signed_tokens import API_AUDIENCE, SignedTokens, looks_like_token
from aura_local.accounts.signing_keys import SigningKeys
from aura_local.accounts.tickets import TICKET_SHAPE, Tickets
from aura_local.accounts.visitors import visitor_from
from aura_local.errors import AuthenticationFailed, Busy, NotFound, StorageFull, TenantSuspended
from aura_local.storage.database import Database

CACHE_S: Final = 1.0
"""How long a good answer is reused: a revoked key stops working within this time."""

CACHE_ENTRIES: Final = 1_024

_NO_DIGEST = bytes(32)


class Authenticator:
    """Credentials of all kinds, with a memory of `CACHE_S` for those that come many times a second."""

    def __init__(
        self,
        database: Database,
        keys: SigningKeys,
        tickets: Tickets,
        *,
        now: Now = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tickets` are those that the same process issues."""
        self._database = database
        self._api_keys = ApiKeys(database, now=now)
        self._tokens = SignedTokens(keys, now=now)
        self._tickets = tickets
        self._now = now
        self._clock = clock
        self._known: dict[bytes, tuple[Principal, float]] = {}
        """By digest, in the order of expiry; credentials themselves are not kept."""

    async def authenticate(self, presented: str, *, origin: str | None = None) -> Principal:
        """Whose credential it is; `origin` is what the browser names as the page it comes from.

        Raises `AuthenticationFailed`, always the same, for one that is malformed, unknown, expired or
        revoked, whose holder is suspended or gone, or that is bound to another origin; `TenantSuspended`
        for any credential of a tenant that has been stopped. A good answer is at most `CACHE_S` old;
        refusals are not remembered.
        """
        if TICKET_SHAPE.fullmatch(presented) is not None:
            principal = self._tickets.redeem(presented)
            await self._database.read(lambda database: self._as_of_now(database, principal))
        else:
            principal = await self._remembered(presented)
        if principal.origin is not None and principal.origin != origin:
            raise refusal()
        return principal

    async def still_good(self, principal: Principal) -> bool:
        """Whether an open socket of this principal may stay open. Reads the database, not the memory.

        That a token has expired meanwhile ends no conversation; that an API key has, does.
        """
        try:
            await self._database.read(lambda database: self._as_of_now(database, principal))
        except (AuthenticationFailed, TenantSuspended):
            return False
        return True

    async def _remembered(self, presented: str) -> Principal:
        # Taken before the look-up: a revocation during it must not be outlived by a whole second.
        now_s = self._clock()
        digest = digest_of(presented)
        known = self._known.get(digest)
        if known is not None and now_s < known[1] and not self._has_expired(known[0]):
            return known[0]
        self._known.pop(digest, None)
        principal = await self._look_up(presented)
        self._forget_expired(now_s)
        self._known[digest] = (principal, now_s + CACHE_S)
        return principal

    async def _look_up(self, presented: str) -> Principal:
        if looks_like_token(presented):
            claims = await self._tokens.verify(presented)
            if claims.audience == API_AUDIENCE:
                return await access_principal(self._database, claims)
            return await visitor_from(self._database, claims)
        shape = KEY_SHAPE.fullmatch(presented)
        if shape is None:
            raise refusal()
        return await self._bearer(presented, shape[1])

    async def _bearer(self, presented: str, prefix: str) -> Principal:
        try:
            key = await self._api_keys.find(prefix)
        except NotFound:
            key = None
        # Compared in any case, so that the time taken does not tell a known prefix from an unknown one.
        matches = hmac.compare_digest(digest_of(presented), _NO_DIGEST if key is None else key.digest)
        if key is None or not matches:
            raise refusal()
        now = stamp(self._now())
        principal = await self._database.read(lambda database: key_principal(database, key, now))
        with suppress(StorageFull, Busy):  # when it was last used is not worth refusing a good key
            await self._api_keys.touch(key.id)
        return principal

    def _as_of_now(self, database: sqlite_utils.Database, principal: Principal) -> Principal:
        if principal.kind == "user":
            return user_principal(database, principal.id, principal.epoch, principal.expires_at)
        if principal.kind == "key":
            key = key_by_id(database, principal.id)
            if key is None:
                raise refusal()
            return key_principal(database, key, stamp(self._now()))
        if principal.kind == "operator":
            return principal  # holds the master key, not a credential
        return visitor_principal(
            database,
            principal.id,
            tenant_id=principal.tenant,
            widget_id=principal.widget_id,
            origin=principal.origin,
            expires_at=principal.expires_at,
        )

    def _has_expired(self, principal: Principal) -> bool:
        return principal.expires_at is not None and self._now().timestamp() >= principal.expires_at

    def _forget_expired(self, now_s: float) -> None:
        for digest, (_, expiry_s) in list(self._known.items()):
            if expiry_s > now_s and len(self._known) < CACHE_ENTRIES:
                break
            del self._known[digest]
