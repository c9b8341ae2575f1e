"""What a tenant has used: written once, with what is counted; read by day, subject and kind. Layer 2."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Literal, cast, get_args

import sqlite_utils

from aura_local.errors import InvalidRequest
from aura_local.storage.database import Database

UsageKind = Literal[
    "speech_to_text_ms",
    "text_to_speech_ms",
    "prompt_tokens",
    "generated_tokens",
    "documents",
    "document_bytes",
    "cloud_micros",
]
"""Each is entered in the transaction of what it counts. Requests change nothing that they could be
entered with, so they are none: they are bounded (`Quotas.admit_request`) and counted in the metrics."""
USAGE_KINDS: Final[frozenset[str]] = frozenset(get_args(UsageKind))
ENTERED_KINDS: Final[tuple[UsageKind, ...]] = tuple(
    kind for kind in get_args(UsageKind) if kind != "cloud_micros"
)
"""What can be asked for: nothing runs at a provider yet, so that nothing costs money."""

UsageColumn = Literal["day", "subject", "kind"]
PAGE_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Which usage, and added up by what. None: all."""

    first_day: date | None = None
    last_day: date | None = None
    """UTC, included."""
    subject: str | None = None
    kind: UsageKind | None = None
    by: frozenset[UsageColumn] = frozenset({"day", "subject", "kind"})
    """What is not in here is added up, and empty in the rows. Amounts of several kinds make no useful sum."""


@dataclass(frozen=True, slots=True)
class UsageTotal:
    day: str
    """UTC, ISO 8601."""
    subject: str
    """Who used it: `user:6943160b176b221a`, `key:...`, `visitor:...`."""
    kind: str
    amount: int
    """In the unit that the kind names."""

    @property
    def cursor(self) -> str:
        """Where the next page goes on."""
        return f"{self.day}/{self.kind}/{self.subject}"


def usage_rows(
    subject: str, key: str, amounts: Mapping[UsageKind, int], at: datetime
) -> Callable[[sqlite_utils.Database], None]:
    """What counts `amounts` in the transaction of what is counted; `key` names that within the tenant.

    The same key and kind count once, whatever is written again. Zero amounts are left out. Raises ValueError
    at once for an unknown kind, a negative amount, or a time without zone.
    """
    if at.tzinfo is None:
        raise ValueError("The time of usage needs a zone.")
    if not USAGE_KINDS.issuperset(amounts) or min(amounts.values(), default=0) < 0:
        raise ValueError("Usage has known kinds, and amounts of zero or more.")
    moment = at.astimezone(UTC)
    rows = [
        (f"{key}/{kind}", moment.isoformat(timespec="milliseconds"), _day(moment), subject, kind, amount)
        for kind, amount in amounts.items()
        if amount
    ]

    def write(connection: sqlite_utils.Database) -> None:
        # Not OR IGNORE, which would swallow more than a key that is there.
        connection.conn.executemany(
            "INSERT INTO usage_entries (entry_key, at, day, subject, kind, amount) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (entry_key) DO NOTHING",
            rows,
        )

    return write


def used_in_month(at: datetime) -> Callable[[sqlite_utils.Database], dict[UsageKind, int]]:
    """What reads the sums of the UTC month that `at` lies in; kinds without usage are left out."""
    month = _day(at.astimezone(UTC))[:7]

    def read(connection: sqlite_utils.Database) -> dict[UsageKind, int]:
        rows = connection.conn.execute(
            "SELECT kind, amount FROM usage_months WHERE month = ?", (month,)
        ).fetchall()
        return {cast(UsageKind, kind): int(amount) for kind, amount in rows}

    return read


class UsageLedger:
    """The usage of one tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def totals(
        self, query: UsageQuery | None = None, *, after: str | None = None, limit: int = 100
    ) -> list[UsageTotal]:
        """Up to `limit` sums, ordered by day, kind and subject, behind the `cursor` of an earlier one.

        Raises InvalidRequest for what is no cursor.
        """
        query = query or UsageQuery()
        place = ("", "", "") if after is None else tuple(after.split("/", 2))
        if len(place) != 3:
            raise InvalidRequest("This is not the cursor of a page of usage.")
        day, kind, subject = (name if name in query.by else "''" for name in ("day", "kind", "subject"))
        # All interpolated parts are our own column names.
        statement = (
            f"SELECT day, subject, kind, amount FROM (SELECT {day} AS day, {kind} AS kind,"  # noqa: S608
            f" {subject} AS subject, sum(amount) AS amount FROM usage_totals WHERE day BETWEEN ? AND ?"
            " AND (? IS NULL OR subject = ?) AND (? IS NULL OR kind = ?) GROUP BY 1, 2, 3)"
            " WHERE (day, kind, subject) > (?, ?, ?) OR ? ORDER BY day, kind, subject LIMIT ?"
        )
        days = (query.first_day or date.min).isoformat(), (query.last_day or date.max).isoformat()
        filters = (query.subject, query.subject, query.kind, query.kind)
        parameters = (*days, *filters, *place, after is None, max(0, limit))

        def read(connection: sqlite_utils.Database) -> list[UsageTotal]:
            return [UsageTotal(*row) for row in connection.conn.execute(statement, parameters).fetchall()]

        return await self._database.read(read)

    async def csv(self, query: UsageQuery | None = None) -> AsyncIterator[str]:
        """All of it as RFC 4180, a page at a time; the columns are those of `query.by`, and `amount`."""
        query = query or UsageQuery()
        columns = [name for name in ("day", "subject", "kind") if name in query.by]
        yield _csv_lines([[*columns, "amount"]])
        after: str | None = None
        while page := await self.totals(query, after=after, limit=PAGE_ROWS):
            yield _csv_lines(
                [[*(_cell(getattr(row, name)) for name in columns), str(row.amount)] for row in page]
            )
            after = page[-1].cursor


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _cell(text: str) -> str:
    """A spreadsheet runs a cell that begins like a formula. https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _csv_lines(rows: list[list[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)  # its default is RFC 4180: commas, doubled quotes, CR LF
    return text.getvalue()
