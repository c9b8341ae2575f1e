"""The table of all audit logs, in the platform's file: one chain for it and one for each tenant. Layer 1.

They lie together with accounts and keys, so that an action and its entry are one transaction; a tenant's own
file has no audit table. `chain` is `platform` or a tenant's id; every chain counts from 1 without gaps and is
hashed by itself. `audit_chains` counts the
entries ever written to each.

Append-only by trigger; `aura_local.audit.chain` writes and verifies it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import sqlite_utils

AlsoWrite: TypeAlias = Callable[[sqlite_utils.Database, str], None]
"""What is written in the same transaction as a change, given its connection and the id of what was created
or changed: an audit entry above all. If it raises, nothing is changed."""

AUDIT_TABLE: Final = (
    """
    CREATE TABLE audit_entries (
        chain TEXT NOT NULL,  -- `platform` or the id of a tenant
        sequence INTEGER NOT NULL,
        at TEXT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        details TEXT NOT NULL,  -- JSON
        previous BLOB NOT NULL,  -- digest of the entry before, 32 zero bytes for the first
        digest BLOB NOT NULL UNIQUE,
        PRIMARY KEY (chain, sequence)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE audit_chains (
        chain TEXT PRIMARY KEY,
        entries INTEGER NOT NULL  -- ever written: an end that was cut off stays visible
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TRIGGER audit_entries_count AFTER INSERT ON audit_entries BEGIN
        INSERT INTO audit_chains (chain, entries) VALUES (new.chain, 1)
        ON CONFLICT (chain) DO UPDATE SET entries = entries + 1;
    END
    """,
    """
    CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries BEGIN
        SELECT RAISE(ABORT, 'audit entries are never deleted');
    END
    """,
    """
    CREATE TRIGGER audit_entries_are_final BEFORE UPDATE ON audit_entries BEGIN
        SELECT RAISE(ABORT, 'audit entries are never changed');
    END
    """,
)
