"""What was used is counted once, in one transaction with what it counts, and adds up."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
import sqlcipher3.dbapi2 as sqlcipher
import sqlite_utils

from aura_local.errors import InvalidRequest
from aura_local.metering import ledger
from aura_local.metering.ledger import (
    UsageColumn,
    UsageLedger,
    UsageQuery,
    UsageTotal,
    usage_rows,
    used_in_month,
)
from aura_local.storage.database import Database
from aura_local.storage.schema import run_in_order

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def count(database: Database, table: str = "usage_entries") -> int:
    return await database.read(lambda rows: int(rows.table(table).count))


@pytest.fixture
async def used(database: Database) -> UsageLedger:
    """Three days of two people."""
    for day in range(3):
        for subject in ("user:ada", "key:1/2"):
            at = NOON + timedelta(days=day)
            amounts: dict[ledger.UsageKind, int] = {"prompt_tokens": 10 + day, "text_to_speech_ms": 1}
            await database.write(usage_rows(subject, f"{subject}-{day}", amounts, at))
    return UsageLedger(database)


async def test_the_same_key_counts_once(database: Database) -> None:
    first = usage_rows("user:ada", "turn:7", {"prompt_tokens": 5, "generated_tokens": 2}, NOON)
    await database.write(first)
    await database.write(first)
    await database.write(usage_rows("user:ada", "turn:7", {"prompt_tokens": 99}, NOON + timedelta(days=1)))
    assert await UsageLedger(database).totals() == [
        UsageTotal("2026-11-23", "user:ada", "generated_tokens", 2),
        UsageTotal("2026-11-23", "user:ada", "prompt_tokens", 5),
    ]
    assert await count(database) == 2


async def test_zero_is_no_entry(database: Database) -> None:
    await database.write(usage_rows("user:ada", "turn:1", {"prompt_tokens": 0, "text_to_speech_ms": 1}, NOON))
    await database.write(usage_rows("user:ada", "turn:2", {}, NOON))
    assert await count(database) == 1


async def test_usage_is_undone_with_what_it_counts(database: Database) -> None:
    def fail(connection: sqlite_utils.Database) -> None:
        usage_rows("user:ada", "turn:1", {"text_to_speech_ms": 1}, NOON)(connection)
        raise RuntimeError("the turn was not written")

    with pytest.raises(RuntimeError):
        await database.write(fail)
    assert await count(database) == await count(database, "usage_totals") == 0


async def test_days_are_those_of_utc(database: Database) -> None:
    east = datetime(2026, 12, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    await database.write(usage_rows("user:ada", "turn:1", {"text_to_speech_ms": 1}, east))
    assert [row.day for row in await UsageLedger(database).totals()] == ["2026-11-30"]
    assert await database.read(used_in_month(east)) == {"text_to_speech_ms": 1}
    assert await database.read(used_in_month(east + timedelta(hours=2))) == {}


def test_what_cannot_be_counted_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="zone"):
        usage_rows("user:ada", "k", {"text_to_speech_ms": 1}, datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="zero or more"):
        usage_rows("user:ada", "k", {"text_to_speech_ms": -1}, NOON)
    with pytest.raises(ValueError, match="known kinds"):
        usage_rows("user:ada", "k", {"coffees": 1}, NOON)  # type: ignore[dict-item]


async def test_other_failures_than_a_known_key_are_not_swallowed(database: Database) -> None:
    with pytest.raises(sqlcipher.IntegrityError, match="NOT NULL"):
        await database.write(usage_rows(None, "k", {"text_to_speech_ms": 1}, NOON))  # type: ignore[arg-type]


async def test_entries_cannot_be_changed_or_deleted(database: Database, used: UsageLedger) -> None:
    for statement in ("DELETE FROM usage_entries", "UPDATE usage_entries SET amount = 0"):
        with pytest.raises(sqlcipher.IntegrityError, match="usage entries are never"):
            await database.write(run_in_order(statement))


async def test_totals_are_the_sums_of_the_entries(database: Database, used: UsageLedger) -> None:
    await database.write(usage_rows("user:ada", "more", {"prompt_tokens": 7}, NOON))
    entries = await database.read(
        lambda rows: rows.conn.execute(
            "SELECT day, subject, kind, sum(amount) FROM usage_entries GROUP BY day, kind, subject"
        ).fetchall()
    )
    assert [(row.day, row.subject, row.kind, row.amount) for row in await used.totals()] == entries


@pytest.mark.parametrize(
    ("query", "amounts"),
    [
        (
            UsageQuery(by=frozenset({"kind"})),
            {("", "", "prompt_tokens"): 66, ("", "", "text_to_speech_ms"): 6},
        ),
        (
            UsageQuery(kind="prompt_tokens", by=frozenset({"subject"})),
            {("", "user:ada", ""): 33, ("", "key:1/2", ""): 33},
        ),
        (
            UsageQuery(first_day=date(2026, 11, 24), kind="prompt_tokens", by=frozenset({"day"})),
            {("2026-11-24", "", ""): 22, ("2026-11-25", "", ""): 24},
        ),
        (
            UsageQuery(last_day=date(2026, 11, 23), subject="user:ada"),
            {
                ("2026-11-23", "user:ada", "prompt_tokens"): 10,
                ("2026-11-23", "user:ada", "text_to_speech_ms"): 1,
            },
        ),
        (UsageQuery(kind="text_to_speech_ms", by=frozenset()), {("", "", ""): 6}),
        (UsageQuery(subject="user:nobody"), {}),
        (UsageQuery(subject="' OR 1=1 --"), {}),
    ],
)
async def test_filters_and_sums(
    used: UsageLedger, query: UsageQuery, amounts: dict[tuple[str, str, str], int]
) -> None:
    assert {(row.day, row.subject, row.kind): row.amount for row in await used.totals(query)} == amounts


@pytest.mark.parametrize("by", [{"day", "subject", "kind"}, {"subject", "kind"}, {"kind"}, set()])
async def test_pages_hold_every_row_once(used: UsageLedger, by: set[UsageColumn]) -> None:
    query = UsageQuery(by=frozenset(by))
    whole = await used.totals(query)
    rows: list[UsageTotal] = []
    while page := await used.totals(query, after=rows[-1].cursor if rows else None, limit=1):
        rows += page
    assert rows == whole
    assert await used.totals(query, limit=0) == await used.totals(query, limit=-1) == []


async def test_what_is_no_cursor_is_refused(used: UsageLedger) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        await used.totals(after="2026-11-23")


async def test_csv_is_what_the_totals_are(used: UsageLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "PAGE_ROWS", 5)  # of 12 rows
    text = "".join([part async for part in used.csv()])
    assert text.startswith("day,subject,kind,amount\r\n2026-11-23,key:1/2,prompt_tokens,10\r\n")
    assert text.endswith("\r\n")
    _, *rows = csv.reader(io.StringIO(text, newline=""))
    assert rows == [[row.day, row.subject, row.kind, str(row.amount)] for row in await used.totals()]
    query = UsageQuery(kind="text_to_speech_ms", by=frozenset({"subject"}))
    assert [part async for part in used.csv(query)] == ["subject,amount\r\n", "key:1/2,3\r\nuser:ada,3\r\n"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
async def test_no_cell_is_a_formula(database: Database, start: str) -> None:
    subject = f'{start}HYPERLINK("http://x","a,b")'
    await database.write(usage_rows(subject, "k", {"text_to_speech_ms": 1}, NOON))
    text = "".join([part async for part in UsageLedger(database).csv()])
    _, (day, cell, kind, amount) = csv.reader(io.StringIO(text, newline=""))
    assert (day, cell, kind, amount) == ("2026-11-23", f"'{subject}", "text_to_speech_ms", "1")
