"""An audit log, appended to inside the transaction of what it records. Layer 2.

The platform has one and so has every tenant, each a chain of its own in the platform's database.

If an entry cannot be written, what it records does not happen: `entry` is handed to the change as `also` and
raises inside its transaction. Writers of several processes take turns (BEGIN IMMEDIATE), so no chain forks.
What a chain cannot show by itself is that somebody with the database's key rewrote all of it, or cut its end
and changed the count of its entries; compare the head with one that was noted elsewhere for that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

import sqlite_utils

from aura_local.audit.actions import ACTIONS
from aura_local.audit.entries import GENESIS, AuditEntry, canonical_json, entry_digest
from aura_local.audit.verification import AuditVerification, ChainCheck, StoredEntry, entry_of
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.database import Database

PLATFORM: Final = "platform"
"""The chain of what concerns no tenant, or all of them."""

BATCH_ENTRIES: Final = 500
"""Read in one transaction; other jobs of the database have their turn in between."""

BEFORE_ALL: Final = -(2**63)
"""No entry has a number below 1, but a forged one may."""

# As bytes: text that somebody damaged need not be text any more, and must still be read to be found.
_SELECT: Final = (
    "SELECT sequence, CAST(at AS BLOB), CAST(actor AS BLOB), CAST(action AS BLOB), CAST(subject AS BLOB),"
    " CAST(details AS BLOB), previous, digest FROM audit_entries"
    " WHERE chain = ? AND sequence > ? ORDER BY sequence LIMIT ?"
)
_COUNTED: Final = "SELECT coalesce(max(entries), 0) FROM audit_chains WHERE chain = ?"


def _utc_now() -> datetime:
    return datetime.now(UTC)


def entry(chain: str, actor: str, action: str, subject: str | None = None, **details: object) -> AlsoWrite:
    """What appends an entry to a chain in the transaction of the change that it records.

    `subject` None takes the id of what was changed. `details` are JSON values: ids, counts and
    codes; no secrets, texts or e-mail addresses. Raises ValueError or TypeError at once for an unknown action
    or details that are not JSON; what is returned raises whatever the database raises.
    """
    if action not in ACTIONS:
        raise ValueError(f"{action} is not in the list of audited actions.")
    canonical_json(details)

    def also(connection: sqlite_utils.Database, changed: str) -> None:
        subject_id = changed if subject is None else subject
        _append(connection, chain, _utc_now(), actor, action, subject_id, details)

    return also


class AuditLog:
    """One chain: `PLATFORM`, or the id of a tenant."""

    def __init__(
        self, database: Database, chain: str = PLATFORM, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        """`database` is the platform's."""
        self._database = database
        self.chain = chain
        self._now = now

    async def append(self, actor: str, action: str, subject: str, **details: object) -> None:
        """Record what changes no row of this database; durable on return. Raises like `entry`."""
        if action not in ACTIONS:
            raise ValueError(f"{action} is not in the list of audited actions.")

        def write(connection: sqlite_utils.Database) -> None:
            _append(connection, self.chain, self._now(), actor, action, subject, details)

        await self._database.write(write)

    async def entries(self, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        """Up to `limit` entries behind sequence number `after`, oldest first.

        Raises StorageDamaged for one that cannot be read; `verify` says more.
        """
        rows, _ = await self._batch(after, max(0, limit))
        return [entry_of(self.chain, row) for row in rows]

    async def export(self) -> AsyncIterator[str]:
        """Every entry as a line of JSON with its digests, in batches. Raises like `entries`."""
        after = 0
        while batch := await self.entries(after=after, limit=BATCH_ENTRIES):
            yield "".join(f"{found.as_json()}\n" for found in batch)
            after = batch[-1].sequence

    async def verify(self, *, expected_head: str | None = None) -> AuditVerification:
        """Compute every digest again, in bounded memory. Never raises for a damaged chain: it says where.

        `expected_head` is the head of an earlier verification, noted elsewhere: the log must still contain
        that entry. Without it a missing end is seen by the count of entries alone.
        """
        check = ChainCheck(self.chain, expected_head)
        while True:
            rows, counted = await self._batch(check.entries or BEFORE_ALL, BATCH_ENTRIES)
            for row in rows:
                if not check.follows(row):
                    return check.result()
            if len(rows) < BATCH_ENTRIES:
                return check.ended(counted)

    async def _batch(self, after: int, limit: int) -> tuple[list[StoredEntry], int]:
        """Entries, and how many the chain has ever had; both of one moment."""

        def query(connection: sqlite_utils.Database) -> tuple[list[StoredEntry], int]:
            rows = connection.conn.execute(_SELECT, (self.chain, after, limit)).fetchall()
            (counted,) = connection.conn.execute(_COUNTED, (self.chain,)).fetchone()
            return [StoredEntry(*row) for row in rows], int(counted)

        return await self._database.read(query)


def _append(
    connection: sqlite_utils.Database,
    chain: str,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    details: dict[str, Any],
) -> None:
    if not connection.conn.in_transaction:
        raise RuntimeError("An audit entry is written inside the transaction of what it records.")
    last = connection.conn.execute(
        "SELECT sequence, digest FROM audit_entries WHERE chain = ? ORDER BY sequence DESC LIMIT 1", (chain,)
    ).fetchone()
    sequence, previous = (0, GENESIS) if last is None else last
    # Behind the count, not behind the last row: an end that was cut off stays visible as a gap.
    (counted,) = connection.conn.execute(_COUNTED, (chain,)).fetchone()
    sequence = max(sequence, counted) + 1
    stamp = at.astimezone(UTC).isoformat(timespec="milliseconds")
    digest = entry_digest(previous, chain, sequence, stamp, actor, action, subject, details)
    connection.conn.execute(
        "INSERT INTO audit_entries (chain, sequence, at, actor, action, subject, details, previous, digest)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (chain, sequence, stamp, actor, action, subject, canonical_json(details), previous, digest),
    )
