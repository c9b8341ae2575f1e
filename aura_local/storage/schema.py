"""The tables, as ordered migrations, and how a database moves from one to the next. Layer 1.

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


def _statements(*statements: str) -> Callable[[sqlite_utils.Database], None]:
    def apply(database: sqlite_utils.Database) -> None:
        # One by one: executescript would commit the surrounding transaction.
        for statement in statements:
            database.conn.execute(statement)

    return apply


PLATFORM_MIGRATIONS: Sequence[Migration] = (
    Migration(
        "0001_tenants",
        _statements(
            """
            CREATE TABLE tenants (
                id TEXT PRIMARY KEY,
                name TEXT NOT NULL UNIQUE,
                wrapped_key BLOB NOT NULL,
                created_at TEXT NOT NULL
            ) STRICT
            """,
            """
            CREATE TABLE api_keys (
                id TEXT PRIMARY KEY,
                tenant_id TEXT NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
                label TEXT NOT NULL,
                prefix TEXT NOT NULL UNIQUE,
                digest BLOB NOT NULL,  -- SHA-256 of the whole key
                created_at TEXT NOT NULL,
                last_used_at TEXT,
                revoked_at TEXT
            ) STRICT
            """,
            "CREATE INDEX api_keys_by_tenant ON api_keys(tenant_id)",
        ),
    ),
)

TENANT_MIGRATIONS: Sequence[Migration] = (
    Migration(
        "0001_documents",
        _statements(
            """
            CREATE TABLE documents (
                id TEXT PRIMARY KEY,
                name TEXT NOT NULL,
                media_type TEXT NOT NULL,
                sha256 TEXT NOT NULL,
                size_bytes INTEGER NOT NULL,
                status TEXT NOT NULL
                    CHECK (status IN ('received', 'parsing', 'embedding', 'indexed', 'failed')),
                reason TEXT,
                page_count INTEGER,
                passage_count INTEGER,
                created_at TEXT NOT NULL,
                updated_at TEXT NOT NULL
            ) STRICT
            """,
            # AUTOINCREMENT: an id is never used twice, so an entry that the vector index still holds for a
            # deleted passage can only point to nothing, never to another passage.
            """
            CREATE TABLE passages (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                document_id TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
                ordinal INTEGER NOT NULL,
                text TEXT NOT NULL,
                heading TEXT,
                page INTEGER,
                start_character INTEGER,
                end_character INTEGER,
                vector BLOB  -- float32 little-endian, L2-normalised
            ) STRICT
            """,
            "CREATE INDEX passages_by_document ON passages(document_id, ordinal)",
            """
            CREATE TABLE passage_sentences (
                passage_id INTEGER NOT NULL REFERENCES passages(id) ON DELETE CASCADE,
                ordinal INTEGER NOT NULL,
                text TEXT NOT NULL,
                vector BLOB,
                PRIMARY KEY (passage_id, ordinal)
            ) STRICT
            """,
        ),
    ),
    Migration(
        "0002_passage_search",
        _statements(
            """
            CREATE VIRTUAL TABLE passages_fts USING fts5(
                text, heading, content='passages', content_rowid='id', tokenize='porter unicode61'
            )
            """,
            # Deleted words leave the index at once, not at some later merge.
            "INSERT INTO passages_fts(passages_fts, rank) VALUES ('secure-delete', 1)",
            """
            CREATE TRIGGER passages_fts_insert AFTER INSERT ON passages BEGIN
                INSERT INTO passages_fts(rowid, text, heading) VALUES (new.id, new.text, new.heading);
            END
            """,
            """
            CREATE TRIGGER passages_fts_delete AFTER DELETE ON passages BEGIN
                INSERT INTO passages_fts(passages_fts, rowid, text, heading)
                VALUES ('delete', old.id, old.text, old.heading);
            END
            """,
            """
            CREATE TRIGGER passages_fts_update AFTER UPDATE OF text, heading ON passages BEGIN
                INSERT INTO passages_fts(passages_fts, rowid, text, heading)
                VALUES ('delete', old.id, old.text, old.heading);
                INSERT INTO passages_fts(rowid, text, heading) VALUES (new.id, new.text, new.heading);
            END
            """,
        ),
    ),
    Migration(
        "0003_conversations",
        _statements(
            """
            CREATE TABLE sessions (
                id TEXT PRIMARY KEY,
                language TEXT,
                created_at TEXT NOT NULL
            ) STRICT
            """,
            """
            CREATE TABLE turns (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                session_id TEXT NOT NULL REFERENCES sessions(id),
                ordinal INTEGER NOT NULL,
                user_text TEXT NOT NULL,
                answer_text TEXT NOT NULL,
                heard_text TEXT,
                cancelled INTEGER NOT NULL DEFAULT 0,
                citations TEXT,  -- JSON
                timings TEXT,  -- JSON
                created_at TEXT NOT NULL,
                UNIQUE (session_id, ordinal)
            ) STRICT
            """,
        ),
    ),
)
