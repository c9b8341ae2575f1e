"""Signing in, staying signed in, signing out. Layer 2."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import sqlite_utils

from aura_local.accounts.access_tokens import sign_access_token
from aura_local.accounts.moments import Now, stamp, utc_now
from aura_local.accounts.passwords import Passwords
from aura_local.accounts.random_secrets import looks_like_secret
from aura_local.accounts.refresh_tokens import end_family_of, holder_of, new_token, use_up
from aura_local.accounts.refusal import refusal, suspended
from aura_local.accounts.signed_tokens import SignedTokens
from aura_local.accounts.signing_keys import SigningKeys
from aura_local.accounts.throttle import Throttle
from aura_local.accounts.users import Account, User, account, accounts
from aura_local.accounts.written_names import checked_email
from aura_local.errors import Busy, InvalidRequest
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.database import Database

REFRESH_LIFETIME: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a person who has signed in holds."""

    access_token: str = field(repr=False)
    expires_in_s: int
    refresh_token: str = field(repr=False)
    refresh_expires_in_s: int


class Logins:
    """The one way from a password, or from an identity provider's word, to tokens."""

    def __init__(
        self,
        database: Database,
        keys: SigningKeys,
        *,
        now: Now = utc_now,
        refresh_lifetime: timedelta = REFRESH_LIFETIME,
        throttle: Throttle | None = None,
        passwords: Passwords | None = None,
    ) -> None:
        """`throttle` and `passwords` are shared with `Directory` and `Links`, which check passwords too."""
        self._database = database
        self._tokens = SignedTokens(keys, now=now)
        self._access_lifetime_s = keys.lifetimes.access_s
        self._refresh_lifetime = refresh_lifetime
        self._now = now
        self._throttle = throttle or Throttle()
        self._passwords = passwords or Passwords()

    async def login(
        self, email: str, password: str, *, address: str, also: AlsoWrite | None = None
    ) -> Tokens:
        """Tokens for e-mail and password, asked for from the network address `address`.

        Raises `TooManyRequests` before any work where `Throttle` lets no more through, `Busy` when too many
        sign in at once, `AuthenticationFailed`, always the same and after the same work, whether the
        person is unknown, suspended or mistyped, and `TenantSuspended` to those whose password is right.
        """
        known = _normalized(email)
        attempt = self._throttle.begin(known or email, address)
        found = None
        if known is not None:
            found = await self._database.read(lambda database: _by_email(database, known))
        stored = None if found is None else found.password_hash
        try:
            matches = await self._passwords.matches(stored, password)
        except Busy:
            self._throttle.take_back(attempt)
            raise
        if found is None or stored is None or not matches:
            raise refusal()
        tokens = await self._begin(found.user.id, also, password_hash=stored)
        self._throttle.take_back(attempt)
        if self._passwords.outdated(stored):
            await self._hash_anew(found.user.id, stored, password)
        return tokens

    async def login_as(self, user_id: str, *, also: AlsoWrite | None = None) -> Tokens:
        """Tokens for a person that an identity provider has named.

        Raises `AuthenticationFailed` for one that is unknown or suspended, and `TenantSuspended`.
        """
        return await self._begin(user_id, also)

    async def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for a refresh token, which is used up by this.

        Raises `AuthenticationFailed`, for one that is used up already after ending all tokens that go back
        to the same login, and `TenantSuspended`, which leaves the token as it was.
        """
        if not looks_like_secret(refresh_token):
            raise refusal()
        now = self._now()

        def exchange(database: sqlite_utils.Database) -> tuple[User, str] | None:
            holder = holder_of(database, refresh_token, now)
            if holder is None:  # returned, not raised: the end of a family is to be committed
                return None
            user = _may_sign_in(account(database, holder[0]))
            use_up(database, refresh_token, now)
            return user, new_token(database, user.id, holder[1], now, self._refresh_lifetime)

        exchanged = await self._database.write(exchange)
        if exchanged is None:
            raise refusal()
        return await self._signed(*exchanged)

    async def logout(self, refresh_token: str, *, also: AlsoWrite | None = None) -> None:
        """End all refresh tokens that go back to the same login; an unknown token changes nothing.

        The access token ends by itself, within its short lifetime.
        """
        if not looks_like_secret(refresh_token):
            return
        now = self._now()

        def end(database: sqlite_utils.Database) -> None:
            user_id = end_family_of(database, refresh_token, now)
            if user_id is not None and also is not None:
                also(database, user_id)

        await self._database.write(end)

    async def _begin(
        self, user_id: str, also: AlsoWrite | None, *, password_hash: str | None = None
    ) -> Tokens:
        now = self._now()

        def begin(database: sqlite_utils.Database) -> tuple[User, str]:
            found = account(database, user_id)
            user = _may_sign_in(found)
            # Changed while it was being compared: the password that was right is not any more.
            if password_hash is not None and (found is None or found.password_hash != password_hash):
                raise refusal()
            database.conn.execute("UPDATE users SET last_login_at = ? WHERE id = ?", (stamp(now), user.id))
            refresh_token = new_token(database, user.id, None, now, self._refresh_lifetime)
            if also is not None:
                also(database, user.id)
            return user, refresh_token

        return await self._signed(*await self._database.write(begin))

    async def _signed(self, user: User, refresh_token: str) -> Tokens:
        access_token = await sign_access_token(self._tokens, user)
        refresh_lifetime_s = int(self._refresh_lifetime.total_seconds())
        return Tokens(access_token, self._access_lifetime_s, refresh_token, refresh_lifetime_s)

    async def _hash_anew(self, user_id: str, stored: str, password: str) -> None:
        try:
            renewed = await self._passwords.hash(password)
        except Busy:  # at the next login, then
            return

        def replace(database: sqlite_utils.Database) -> None:
            database.conn.execute(
                "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?",
                (renewed, user_id, stored),
            )

        await self._database.write(replace)


def _normalized(email: str) -> str | None:
    try:
        return checked_email(email)
    except InvalidRequest:
        return None


def _by_email(database: sqlite_utils.Database, email: str) -> Account | None:
    found = accounts(database, "users.email = ?", email)
    return found[0] if found else None


def _may_sign_in(found: Account | None) -> User:
    if found is None or found.user.status != "active":
        raise refusal()
    if not found.tenant_active:
        raise suspended()
    return found.user
