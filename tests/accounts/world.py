"""A platform with two tenants, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlite_utils
from argon2 import PasswordHasher

from aura_local.accounts.api_keys import ApiKeys
from aura_local.accounts.authenticator import Authenticator
from aura_local.accounts.directory import Directory
from aura_local.accounts.links import Links
from aura_local.accounts.logins import Logins
from aura_local.accounts.passwords import Passwords
from aura_local.accounts.permissions import UserRole
from aura_local.accounts.signing_keys import SigningKeys
from aura_local.accounts.throttle import Throttle
from aura_local.accounts.tickets import Tickets
from aura_local.accounts.users import User
from aura_local.accounts.visitors import Visitors
from aura_local.storage.catalog import Catalog, Tenant
from aura_local.storage.database import Database
from aura_local.storage.keys import MasterKey

PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""Argon2id all the same, in well under a millisecond."""


@dataclass
class Clock:
    """Time of day and monotonic time, which move together unless the test says otherwise."""

    moment: datetime = datetime(2026, 6, 1, 12, tzinfo=UTC)
    monotonic_s: float = 1_000.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.monotonic_s

    def pass_s(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.monotonic_s += seconds


class Refused(Exception):
    """What a failing `also` raises."""


def failing_also(_database: sqlite_utils.Database, _subject: str) -> None:
    raise Refused


@dataclass
class World:
    """Everything of `aura_local.accounts` over one platform file."""

    catalog: Catalog
    museum: Tenant
    zoo: Tenant
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        database, now, monotonic = self.catalog.database, self.clock.now, self.clock.monotonic
        self.passwords = Passwords(CHEAP)
        self.throttle = Throttle(clock=monotonic)
        self.keys = SigningKeys(database, now=now, clock=monotonic)
        self.tickets = Tickets(monotonic)
        self.api_keys = ApiKeys(database, now=now)
        self.links = Links(database, now=now, passwords=self.passwords)
        self.directory = Directory(database, now=now, passwords=self.passwords, throttle=self.throttle)
        self.logins = Logins(database, self.keys, now=now, throttle=self.throttle, passwords=self.passwords)
        self.visitors = Visitors(database, self.keys, now=now)
        self.authenticator = Authenticator(database, self.keys, self.tickets, now=now, clock=monotonic)

    @property
    def database(self) -> Database:
        return self.catalog.database

    async def join(self, email: str, role: UserRole = "member", tenant: Tenant | None = None) -> User:
        """A person of the museum, of another tenant, or (role owner) of the platform."""
        into = None if role == "owner" else (tenant or self.museum).id
        invitation = await self.links.invite(into, email, role)
        return await self.links.redeem(invitation.secret, password=PASSWORD, name=email.partition("@")[0])

    async def execute(self, statement: str, *parameters: Any) -> None:
        await self.database.write(lambda database: list(database.conn.execute(statement, parameters)))

    async def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        return await self.database.read(lambda database: list(database.query(query, parameters)))

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables that accounts are kept in."""
        tables = ("api_keys", "users", "links", "refresh_tokens", "signing_keys", "widgets")
        return {table: await self.rows(f"SELECT * FROM {table} ORDER BY rowid") for table in tables}

    async def set_tenant(self, tenant: Tenant, column: str, value: Any) -> None:
        await self.execute(f"UPDATE tenants SET {column} = ? WHERE id = ?", value, tenant.id)


@asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    catalog = await Catalog.open(folder, MasterKey(bytes(32)))
    try:
        museum, zoo = await catalog.create_tenant("Museum"), await catalog.create_tenant("Zoo")
        yield World(catalog, museum, zoo)
    finally:
        await catalog.close()
