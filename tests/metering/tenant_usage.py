"""A tenant of a small tier, and the clocks that the tests set."""

from __future__ import annotations

from datetime import UTC, datetime

from aura_local.metering.ledger import UsageKind, usage_rows
from aura_local.metering.quotas import Quotas
from aura_local.storage.database import Database
from aura_local.tiers import TierSettings

TENANT = "6943160b176b221a"


class Clock:
    """Clocks that the test sets."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
        self.monotonic_s = 0.0

    def now(self) -> datetime:
        return self.moment


def quotas_of(clock: Clock, **limits: int) -> Quotas:
    tiers = {"small": TierSettings(**limits), "open": TierSettings()}
    return Quotas(tiers, "open", now=clock.now, monotonic=lambda: clock.monotonic_s)


async def spend(database: Database, key: str, amounts: dict[UsageKind, int], at: datetime) -> None:
    await database.write(usage_rows("user:ada", key, amounts, at))
