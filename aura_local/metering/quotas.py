"""What a tenant's tier still allows: reserve before the work, settle once it is in the ledger. Layer 2.

Reservations are those of this process; what another one (a command beside the server) has under way is seen
when it is in the ledger.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlite_utils

from aura_local.errors import QuotaExceeded, TooManyRequests, TooManySessions
from aura_local.metering.ledger import USAGE_KINDS, UsageKind, used_in_month
from aura_local.metering.request_rate import RequestRate
from aura_local.metering.reservation import Outstanding, Reservation
from aura_local.storage.database import Database
from aura_local.tiers import TierSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Quota:
    """One limit of a tier, and the usage that it bounds."""

    field: str
    kinds: tuple[UsageKind, ...]
    words: str
    units_per_limit: int = 1
    """How much of the kinds is 1 of the limit: seconds are counted in milliseconds."""


_QUOTAS: Final = (
    _Quota("speech_to_text_s_per_month", ("speech_to_text_ms",), "seconds of speech heard a month", 1000),
    _Quota("text_to_speech_s_per_month", ("text_to_speech_ms",), "seconds of speech spoken a month", 1000),
    _Quota("language_model_tokens_per_month", ("prompt_tokens", "generated_tokens"), "tokens a month"),
    _Quota("cloud_budget_micros_per_month", ("cloud_micros",), "millionths of a US dollar a month"),
    _Quota("documents", ("documents",), "documents"),
    _Quota("document_bytes", ("document_bytes",), "bytes of documents"),
)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Quotas:
    """For one event loop. Exactly as much as a tier says is allowed, and no more."""

    def __init__(
        self,
        tiers: Mapping[str, TierSettings],
        default_tier: str,
        *,
        now: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` says which month it is, `monotonic` (seconds) how fast requests come."""
        self._tiers = tiers
        self._default_tier = default_tier
        self._now = now
        self._monotonic = monotonic
        self._outstanding: dict[str, Outstanding] = {}
        self._rates: dict[str, RequestRate] = {}
        self._warned: set[tuple[str, str]] = set()

    async def reserve(
        self, database: Database, tenant_id: str, tier_name: str | None, amounts: Mapping[UsageKind, int]
    ) -> Reservation:
        """Set room aside for work that uses at most `amounts`; `database` is the tenant's file.

        `documents` and `document_bytes` are held against the documents that are there, all else against what
        was used in this UTC month. Write the usage, then settle, or leave the block of the reservation.
        Raises QuotaExceeded, with nothing set aside, and ValueError for unknown kinds or negative amounts.
        """
        if not USAGE_KINDS.issuperset(amounts) or min(amounts.values(), default=0) < 0:
            raise ValueError("Usage has known kinds, and amounts of zero or more.")
        wanted = {kind: amount for kind, amount in amounts.items() if amount}
        name, tier = self._tier(tenant_id, tier_name)
        limits = {
            quota: getattr(tier, quota.field) * quota.units_per_limit
            for quota in _QUOTAS
            if getattr(tier, quota.field) is not None and not wanted.keys().isdisjoint(quota.kinds)
        }
        outstanding = self._outstanding.setdefault(tenant_id, Outstanding())
        outstanding.users += 1
        try:
            async with outstanding.turn:
                while limits:
                    outstanding.begin_reading()
                    used = await database.read(_used(self._now()))
                    refusal = _refusal(name, limits, used, outstanding, wanted)
                    if refusal is None:
                        break
                    if not outstanding.doubtful:
                        raise refusal
                outstanding.add(wanted)
        finally:
            outstanding.users -= 1
            self._forget_idle(tenant_id)

        def end(reserved: Mapping[UsageKind, int], settled: bool) -> None:
            outstanding.remove(reserved, settled)
            self._forget_idle(tenant_id)

        return Reservation(wanted, end)

    def outstanding(self, tenant_id: str) -> dict[UsageKind, int]:
        """What is reserved and not yet settled."""
        held = self._outstanding.get(tenant_id)
        return {} if held is None else held.reserved()

    def admit_request(self, tenant_id: str, tier_name: str | None) -> None:
        """Count one request. Raises TooManyRequests; refused ones are not counted."""
        name, tier = self._tier(tenant_id, tier_name)
        per_minute = tier.requests_per_minute
        if per_minute is None:
            return
        wait_s = self._rates.setdefault(tenant_id, RequestRate()).take(per_minute, self._monotonic())
        if wait_s:
            when = f": try again in {math.ceil(wait_s)} s" if math.isfinite(wait_s) else ""
            raise TooManyRequests(
                f"The tier {name} allows {per_minute} requests a minute{when}.",
                retry_after_s=wait_s if when else None,
            )

    def admit_session(self, tenant_id: str, tier_name: str | None, open_sessions: int) -> None:
        """Raises TooManySessions unless one more than `open_sessions` may be open."""
        name, tier = self._tier(tenant_id, tier_name)
        limit = tier.concurrent_voice_sessions
        if limit is not None and open_sessions >= limit:
            raise TooManySessions(
                f"The tier {name} allows {limit} voice sessions at once, and {open_sessions} are open."
            )

    def _tier(self, tenant_id: str, tier_name: str | None) -> tuple[str, TierSettings]:
        if tier_name is None:
            return self._default_tier, self._tiers[self._default_tier]
        if tier_name in self._tiers:
            return tier_name, self._tiers[tier_name]
        if (tenant_id, tier_name) not in self._warned:
            self._warned.add((tenant_id, tier_name))
            log.warning(
                "a tenant's tier is not in the settings; the default applies",
                extra={"tenant": tenant_id, "tier": tier_name, "default_tier": self._default_tier},
            )
        return self._default_tier, self._tiers[self._default_tier]

    def _forget_idle(self, tenant_id: str) -> None:
        held = self._outstanding.get(tenant_id)
        if held is not None and held.idle:
            del self._outstanding[tenant_id]


def _used(at: datetime) -> Callable[[sqlite_utils.Database], dict[UsageKind, int]]:
    """The month's usage and the documents there are, in one transaction."""

    def read(connection: sqlite_utils.Database) -> dict[UsageKind, int]:
        documents, document_bytes = connection.conn.execute(
            "SELECT count(*), coalesce(sum(size_bytes), 0) FROM documents"
        ).fetchone()
        month = used_in_month(at)(connection)
        return month | {"documents": documents, "document_bytes": document_bytes}

    return read


def _refusal(
    tier_name: str,
    limits: Mapping[_Quota, int],
    used: Mapping[UsageKind, int],
    outstanding: Outstanding,
    wanted: Mapping[UsageKind, int],
) -> QuotaExceeded | None:
    for quota, limit in limits.items():
        taken = sum(used.get(kind, 0) + outstanding.upper_bound(kind) for kind in quota.kinds)
        needed = sum(wanted.get(kind, 0) for kind in quota.kinds)
        if taken + needed > limit:
            allowed, used_up, more = (
                math.ceil(amount / quota.units_per_limit) for amount in (limit, taken, needed)
            )
            return QuotaExceeded(
                f"The tier {tier_name} allows {allowed} {quota.words}: {used_up} are used or reserved, "
                f"and this needs {more} more."
            )
    return None
