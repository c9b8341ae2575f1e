"""Exactly what the tier allows, and not one more."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlite_utils

from aura_local.errors import QuotaExceeded, TooManyRequests, TooManySessions
from aura_local.metering.ledger import UsageKind
from aura_local.metering.quotas import Quotas
from aura_local.storage.database import Database
from aura_local.storage.schema import run_in_order
from aura_local.tiers import TierSettings
from tests.metering.tenant_usage import TENANT, Clock, quotas_of, spend


async def keep(database: Database, *sizes_bytes: int) -> None:
    """Documents of these sizes."""

    def insert(connection: sqlite_utils.Database) -> None:
        for size_bytes in sizes_bytes:
            connection.conn.execute(
                "INSERT INTO documents"
                " (id, name, media_type, sha256, size_bytes, status, created_at, updated_at)"
                " VALUES (hex(randomblob(8)), '', '', '', ?, 'failed', '', '')",
                (size_bytes,),
            )

    await database.write(insert)


MONTHLY: list[tuple[str, int, dict[UsageKind, int], dict[UsageKind, int]]] = [
    ("speech_to_text_s_per_month", 10, {"speech_to_text_ms": 4_000}, {"speech_to_text_ms": 6_000}),
    ("text_to_speech_s_per_month", 10, {"text_to_speech_ms": 9_999}, {"text_to_speech_ms": 1}),
    (
        "language_model_tokens_per_month",
        100,
        {"prompt_tokens": 50, "generated_tokens": 10},
        {"prompt_tokens": 30, "generated_tokens": 10},
    ),
    ("language_model_tokens_per_month", 100, {"prompt_tokens": 60}, {"generated_tokens": 40}),
    ("cloud_budget_micros_per_month", 5_000_000, {"cloud_micros": 4_999_999}, {"cloud_micros": 1}),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("limit", "allowed", "used", "rest"), MONTHLY)
async def test_a_month_holds_exactly_what_the_tier_says(
    database: Database,
    clock: Clock,
    limit: str,
    allowed: int,
    used: dict[UsageKind, int],
    rest: dict[UsageKind, int],
) -> None:
    quotas = quotas_of(clock, **{limit: allowed})
    await spend(database, "before", used, clock.moment)
    kind = next(iter(rest))
    with pytest.raises(QuotaExceeded) as refused:
        await quotas.reserve(database, TENANT, "small", rest | {kind: rest[kind] + 1})
    assert (refused.value.code, refused.value.retryable) == ("quota_exceeded", False)
    assert f"The tier small allows {allowed} " in refused.value.message
    assert quotas.outstanding(TENANT) == {}
    with await quotas.reserve(database, TENANT, "small", rest):
        with pytest.raises(QuotaExceeded):
            await quotas.reserve(database, TENANT, "small", {kind: 1})
        await spend(database, "turn", rest, clock.moment)
    with pytest.raises(QuotaExceeded):
        await quotas.reserve(database, TENANT, "small", {kind: 1})


@pytest.mark.anyio
async def test_the_message_names_limit_used_and_needed(database: Database, clock: Clock) -> None:
    quotas = quotas_of(clock, speech_to_text_s_per_month=600)
    await spend(database, "before", {"speech_to_text_ms": 590_000}, clock.moment)
    with pytest.raises(QuotaExceeded) as refused:
        await quotas.reserve(database, TENANT, "small", {"speech_to_text_ms": 20_000})
    assert refused.value.message == (
        "The tier small allows 600 seconds of speech heard a month: 590 are used or reserved, "
        "and this needs 20 more."
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limits", "fits", "too_much"),
    [
        ({"documents": 3}, {"documents": 1}, {"documents": 2}),
        ({"document_bytes": 100}, {"document_bytes": 40}, {"document_bytes": 41}),
        (
            {"documents": 3, "document_bytes": 100},
            {"documents": 1, "document_bytes": 40},
            {"documents": 1, "document_bytes": 41},
        ),
    ],
)
async def test_documents_count_while_they_are_there(
    database: Database,
    clock: Clock,
    limits: dict[str, int],
    fits: dict[UsageKind, int],
    too_much: dict[UsageKind, int],
) -> None:
    quotas = quotas_of(clock, **limits)
    await keep(database, 50, 10)
    # What was uploaded this month and deleted since is in the ledger, and not held against the tenant.
    await spend(database, "uploads", {"documents": 50, "document_bytes": 10_000}, clock.moment)
    with pytest.raises(QuotaExceeded):
        await quotas.reserve(database, TENANT, "small", too_much)
    upload = await quotas.reserve(database, TENANT, "small", fits)
    with pytest.raises(QuotaExceeded):
        await quotas.reserve(database, TENANT, "small", fits)
    await keep(database, 40)
    upload.settle()
    with pytest.raises(QuotaExceeded):
        await quotas.reserve(database, TENANT, "small", fits)
    await database.write(run_in_order("DELETE FROM documents WHERE size_bytes = 40"))
    (await quotas.reserve(database, TENANT, "small", fits)).release()


@pytest.mark.anyio
async def test_a_new_month_begins_at_midnight_utc_and_keeps_what_is_under_way(
    database: Database, clock: Clock
) -> None:
    quotas = quotas_of(clock, language_model_tokens_per_month=100)
    await spend(database, "november", {"prompt_tokens": 90}, clock.moment)
    late = await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 10})
    with pytest.raises(QuotaExceeded):
        await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 1})
    clock.moment = datetime(2026, 12, 1, tzinfo=UTC)
    with pytest.raises(QuotaExceeded):
        await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 91})
    (await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 90})).release()
    late.release()
    (await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 100})).release()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "odd",
    [
        datetime(2026, 11, 30, 22, 59, tzinfo=UTC),
        datetime(2026, 12, 1, 23, 59, tzinfo=UTC),
        datetime(2036, 11, 30, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ],
)
async def test_with_an_odd_clock_the_month_it_shows_counts(
    database: Database, clock: Clock, odd: datetime
) -> None:
    quotas = quotas_of(clock, language_model_tokens_per_month=100)
    await spend(database, "now", {"prompt_tokens": 70}, clock.moment)
    there = 70 if (odd.year, odd.month) == (2026, 11) else 0
    clock.moment = odd
    await spend(database, "odd", {"prompt_tokens": 100 - there - 10}, odd)
    (await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 10})).release()
    with pytest.raises(QuotaExceeded):
        await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 11})


@pytest.mark.anyio
async def test_tenants_do_not_count_for_each_other(database: Database, clock: Clock) -> None:
    quotas = quotas_of(clock, language_model_tokens_per_month=100)
    with await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 100}):
        (await quotas.reserve(database, "other", "small", {"prompt_tokens": 100})).release()


@pytest.mark.anyio
async def test_only_limits_of_what_is_asked_for_count(database: Database, clock: Clock) -> None:
    quotas = quotas_of(clock, speech_to_text_s_per_month=0, documents=0)
    with await quotas.reserve(database, TENANT, "small", {"prompt_tokens": 10**15, "speech_to_text_ms": 0}):
        assert quotas.outstanding(TENANT) == {"prompt_tokens": 10**15}
    with pytest.raises(QuotaExceeded):
        await quotas.reserve(database, TENANT, "small", {"speech_to_text_ms": 1})


@pytest.mark.anyio
@pytest.mark.parametrize("amounts", [{"prompt_tokens": -1}, {"coffees": 1}])
async def test_what_makes_no_sense_is_refused(
    database: Database, clock: Clock, amounts: dict[Any, int]
) -> None:
    with pytest.raises(ValueError, match="known kinds"):
        await quotas_of(clock).reserve(database, TENANT, "small", amounts)


@pytest.mark.anyio
async def test_an_unknown_tier_is_the_default_one_and_is_warned_of_once(
    database: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    quotas = Quotas({"default": TierSettings(requests_per_minute=1, documents=0)}, "default", now=clock.now)
    with caplog.at_level(logging.WARNING):
        quotas.admit_request(TENANT, "gone")
        for tier_name in ("gone", None):
            with pytest.raises(QuotaExceeded, match="tier default allows 0 documents"):
                await quotas.reserve(database, TENANT, tier_name, {"documents": 1})
    assert [record.getMessage() for record in caplog.records] == [
        "a tenant's tier is not in the settings; the default applies"
    ]


def test_requests_of_a_tier(clock: Clock) -> None:
    quotas = quotas_of(clock, requests_per_minute=30)
    for _ in range(30):
        quotas.admit_request(TENANT, "small")
    with pytest.raises(TooManyRequests, match="small allows 30 requests a minute: try again in 2 s"):
        quotas.admit_request(TENANT, "small")
    quotas.admit_request("other", "small")
    for _ in range(100):
        quotas.admit_request(TENANT, "open")
    clock.monotonic_s = 2.0
    clock.moment = datetime(1990, 1, 1, tzinfo=UTC)
    quotas.admit_request(TENANT, "small")
    with pytest.raises(TooManyRequests):
        quotas.admit_request(TENANT, "small")
    with pytest.raises(TooManyRequests, match=r"allows 0 requests a minute\.$"):
        quotas_of(clock, requests_per_minute=0).admit_request(TENANT, "small")


def test_sessions_of_a_tier(clock: Clock) -> None:
    quotas = quotas_of(clock, concurrent_voice_sessions=2)
    quotas.admit_session(TENANT, "small", 0)
    quotas.admit_session(TENANT, "small", 1)
    with pytest.raises(TooManySessions, match="allows 2 voice sessions at once, and 2 are open"):
        quotas.admit_session(TENANT, "small", 2)
    quotas.admit_session(TENANT, None, 10_000)
