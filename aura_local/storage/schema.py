"""How a database moves from one schema to the next, by ordered migrations. Layer 1.

The tables themselves are in `platform_tables` and `tenant_tables`.

A migration that has been released is never edited; a change is a new migration at the end of its list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlite_utils

from aura_local.errors import StorageDamaged, StorageUnavailable


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `apply` runs inside a transaction that it must not end."""

    name: str
    apply: Callable[[sqlite_utils.Database], None]


def applied_names(database: sqlite_utils.Database) -> list[str]:
    """The names of the migrations that this database has had, in order."""
    if not database.table("migrations").exists():
        return []
    return [row["name"] for row in database.query("SELECT name FROM migrations ORDER BY ordinal")]


def pending_migrations(database: sqlite_utils.Database, migrations: Sequence[Migration]) -> list[Migration]:
    """What is still to be applied, in order.

    Raises StorageUnavailable if the database has had a migration that this version does not know.
    """
    applied = set(applied_names(database))
    unknown = applied - {migration.name for migration in migrations}
    if unknown:
        raise StorageUnavailable(
            f"The data was written by a newer version of AURA Local ({', '.join(sorted(unknown))}): "
            "install that version again, or restore a backup made with this one."
        )
    return [migration for migration in migrations if migration.name not in applied]


def apply_migration(database: sqlite_utils.Database, migration: Migration) -> None:
    """Apply one migration and record it, both or neither. Does nothing if another process was first.

    Foreign keys must be off: SQLite's way to rebuild a table would otherwise delete the rows that point to
    it. They are checked before the commit instead. Raises StorageDamaged for a dangling reference, and
    whatever `migration.apply` raises.
    """
    connection = database.conn
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (ordinal INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
            "applied_at TEXT NOT NULL) STRICT"
        )
        if migration.name not in applied_names(database):
            migration.apply(database)
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise StorageDamaged(f"Migration {migration.name} leaves a reference to a missing row.")
            connection.execute(
                "INSERT INTO migrations (name, applied_at) VALUES (?, ?)",
                (migration.name, datetime.now(UTC).isoformat(timespec="milliseconds")),
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def run_in_order(*statements: str) -> Callable[[sqlite_utils.Database], None]:
    """What `Migration.apply` is where plain SQL will do."""

    def apply(database: sqlite_utils.Database) -> None:
        # One by one: executescript would commit the surrounding transaction.
        for statement in statements:
            database.conn.execute(statement)

    return apply
