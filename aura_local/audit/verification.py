"""Whether stored entries are the chain that was written, decided one by one. Layer 2."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from aura_local.audit.entries import GENESIS, AuditEntry, canonical_json, entry_digest
from aura_local.errors import StorageDamaged


class StoredEntry(NamedTuple):
    """A row as it is in the file: text as bytes, since it may have been damaged."""

    sequence: int
    at: bytes
    actor: bytes
    action: bytes
    subject: bytes
    details: bytes
    previous: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """What was found. The log is as it was written if `broken_at` is None."""

    entries: int
    """How many follow each other from the first, before anything that is wrong."""
    head: str
    """Digest of the last of them, hexadecimal: what to note elsewhere."""
    broken_at: int | None
    """Sequence number of the first entry that is missing, changed or out of place."""
    reason: str
    """One sentence; empty if nothing is wrong."""


class ChainCheck:
    """Follows one chain from its first entry. Holds one digest, whatever the length."""

    def __init__(self, chain: str, expected_head: str | None) -> None:
        self._chain = chain
        self.entries = 0
        self._head = GENESIS
        self._expected = None if expected_head is None else expected_head.strip().lower()
        self._seen = self._expected in (None, GENESIS.hex())
        self._reason = ""

    def follows(self, row: StoredEntry) -> bool:
        """Whether `row` is what was written behind the rows so far; the first that is not ends the check."""
        place = self.entries + 1
        if row.sequence != place:
            self._reason = f"Entry {place} is missing."
        elif row.previous != self._head:
            self._reason = f"Entry {place} does not follow the one before it."
        elif not _is_unchanged(self._chain, row):
            self._reason = f"Entry {place} was changed."
        else:
            self.entries, self._head = place, row.digest
            self._seen = self._seen or row.digest.hex() == self._expected
        return not self._reason

    def ended(self, counted: int) -> AuditVerification:
        """The result behind the last row; `counted` is how many rows the chain has ever had."""
        if counted > self.entries:
            self._reason = f"The entries from {self.entries + 1} to {counted} are missing at the end."
        elif counted < self.entries:
            self._reason = "The count of entries was changed."
        elif not self._seen:
            self._reason = "The expected head is not in the log: its end was cut, or it was rewritten."
        return self.result()

    def result(self) -> AuditVerification:
        broken_at = self.entries + 1 if self._reason else None
        return AuditVerification(self.entries, self._head.hex(), broken_at, self._reason)


def entry_of(chain: str, row: StoredEntry) -> AuditEntry:
    """Raises StorageDamaged for a row that is not text and JSON any more."""
    try:
        at, actor, action, subject = (part.decode() for part in row[1:5])
        details = _details(row)
    except (ValueError, RecursionError) as error:
        raise StorageDamaged(
            f"The audit log is damaged at entry {row.sequence}: `aura audit verify` says more."
        ) from error
    return AuditEntry(
        chain, row.sequence, at, actor, action, subject, details, row.previous.hex(), row.digest.hex()
    )


def _is_unchanged(chain: str, row: StoredEntry) -> bool:
    try:
        at, actor, action, subject = (part.decode() for part in row[1:5])
        details = _details(row)
        # Other spelling of the same values (a key twice, spaces) would show a reader something else.
        if canonical_json(details).encode() != row.details:
            return False
        digest = entry_digest(row.previous, chain, row.sequence, at, actor, action, subject, details)
    except (ValueError, RecursionError):
        return False
    return digest == row.digest


def _details(row: StoredEntry) -> dict[str, Any]:
    details = json.loads(row.details)
    if not isinstance(details, dict):
        raise ValueError("Details are a JSON object.")
    return details
