"""The tables of a tenant's file: documents and their passages, conversations, usage, audit. Layer 1.

A migration that has been released is never edited; a change is a new one at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from aura_local.storage.schema import Migration, run_in_order

TENANT_MIGRATIONS: Sequence[Migration] = (
    Migration(
        "0001_documents",
        run_in_order(
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
        run_in_order(
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
        run_in_order(
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
    Migration(
        "0004_audience_and_owner",
        run_in_order(
            "ALTER TABLE documents ADD COLUMN audience TEXT NOT NULL DEFAULT 'members' "
            "CHECK (audience IN ('members', 'public'))",
            # Whose conversation it is: the subject of the principal that began it.
            "ALTER TABLE sessions ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
        ),
    ),
    Migration(
        "0005_usage",
        run_in_order(
            """
            CREATE TABLE usage_entries (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                entry_key TEXT NOT NULL UNIQUE,  -- names what is counted, so that it is counted once
                at TEXT NOT NULL,
                day TEXT NOT NULL,  -- UTC
                subject TEXT NOT NULL,  -- of the principal
                kind TEXT NOT NULL,
                amount INTEGER NOT NULL
            ) STRICT
            """,
            """
            CREATE TABLE usage_totals (
                day TEXT NOT NULL,
                kind TEXT NOT NULL,
                subject TEXT NOT NULL,
                amount INTEGER NOT NULL,
                PRIMARY KEY (day, kind, subject)
            ) STRICT, WITHOUT ROWID
            """,
            """
            CREATE TABLE usage_months (  -- what quotas are held against, however many visitors there were
                month TEXT NOT NULL,  -- UTC, 2026-11
                kind TEXT NOT NULL,
                amount INTEGER NOT NULL,
                PRIMARY KEY (month, kind)
            ) STRICT, WITHOUT ROWID
            """,
            """
            CREATE TRIGGER usage_entries_add_up AFTER INSERT ON usage_entries BEGIN
                INSERT INTO usage_totals (day, kind, subject, amount)
                VALUES (new.day, new.kind, new.subject, new.amount)
                ON CONFLICT (day, kind, subject) DO UPDATE SET amount = amount + excluded.amount;
                INSERT INTO usage_months (month, kind, amount)
                VALUES (substr(new.day, 1, 7), new.kind, new.amount)
                ON CONFLICT (month, kind) DO UPDATE SET amount = amount + excluded.amount;
            END
            """,
            """
            CREATE TRIGGER usage_entries_stay BEFORE DELETE ON usage_entries BEGIN
                SELECT RAISE(ABORT, 'usage entries are never deleted');
            END
            """,
            """
            CREATE TRIGGER usage_entries_are_final BEFORE UPDATE ON usage_entries BEGIN
                SELECT RAISE(ABORT, 'usage entries are never changed');
            END
            """,
        ),
    ),
    Migration(
        "0006_knowledge",
        run_in_order(
            # A third audience: the check of a column cannot be changed, so the column is made again.
            "ALTER TABLE documents ADD COLUMN wider_audience TEXT NOT NULL DEFAULT 'members' "
            "CHECK (wider_audience IN ('public', 'members', 'admins'))",
            "UPDATE documents SET wider_audience = audience",
            "ALTER TABLE documents DROP COLUMN audience",
            "ALTER TABLE documents RENAME COLUMN wider_audience TO audience",
            "ALTER TABLE documents ADD COLUMN sensitivity TEXT NOT NULL DEFAULT 'internal' "
            "CHECK (sensitivity IN ('public', 'internal', 'confidential'))",
            "UPDATE documents SET sensitivity = 'public' WHERE audience = 'public'",
            # Both labels as one number, as the vector index keeps it (retrieval/labels.py).
            """
            ALTER TABLE documents ADD COLUMN access_class INTEGER GENERATED ALWAYS AS (
                3 * CASE audience WHEN 'public' THEN 0 WHEN 'members' THEN 1 ELSE 2 END
                + CASE sensitivity WHEN 'public' THEN 0 WHEN 'internal' THEN 1 ELSE 2 END
            ) VIRTUAL
            """,
            "CREATE INDEX documents_by_access_class ON documents(access_class)",
            # Where a document is kept in step from, such as a watched folder; a file from there again is its
            # next version. `sha256` names the newest bytes accepted, `indexed_sha256` those that the passages
            # were made from: the earlier version answers until the next one is indexed.
            "ALTER TABLE documents ADD COLUMN source TEXT",
            "CREATE UNIQUE INDEX documents_by_source ON documents(source) WHERE source IS NOT NULL",
            "ALTER TABLE documents ADD COLUMN version INTEGER NOT NULL DEFAULT 1",
            "ALTER TABLE documents ADD COLUMN indexed_sha256 TEXT",
            "UPDATE documents SET indexed_sha256 = sha256 WHERE status = 'indexed'",
            "CREATE INDEX documents_by_sha256 ON documents(sha256)",
            "CREATE INDEX documents_by_indexed_sha256 ON documents(indexed_sha256)",
            # Files that a document has let go of, in the transaction in which it did: who is killed before
            # the file is removed finds it here.
            "CREATE TABLE released_blobs (sha256 TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
            """
            CREATE TRIGGER documents_release_on_delete AFTER DELETE ON documents BEGIN
                INSERT OR IGNORE INTO released_blobs SELECT old.sha256
                UNION SELECT old.indexed_sha256 WHERE old.indexed_sha256 IS NOT NULL;
            END
            """,
            """
            CREATE TRIGGER documents_release_on_update
            AFTER UPDATE OF sha256, indexed_sha256 ON documents BEGIN
                INSERT OR IGNORE INTO released_blobs
                SELECT let_go FROM (SELECT old.sha256 AS let_go UNION SELECT old.indexed_sha256)
                WHERE let_go IS NOT NULL AND let_go NOT IN (new.sha256, coalesce(new.indexed_sha256, ''));
            END
            """,
            "ALTER TABLE passages ADD COLUMN tokens INTEGER",  # counted by the embedder
            # Small pages beside the table's large ones, for the question which document a passage is of.
            "CREATE INDEX passages_with_document ON passages(id, document_id)",
        ),
    ),
    Migration(
        "0007_secrets",
        run_in_order(
            """
            CREATE TABLE secrets (  -- keys of providers; the file is encrypted, and only names are ever shown
                name TEXT PRIMARY KEY,
                value TEXT NOT NULL,
                updated_at TEXT NOT NULL
            ) STRICT, WITHOUT ROWID
            """,
        ),
    ),
)
