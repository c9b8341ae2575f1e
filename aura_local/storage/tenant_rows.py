"""The rows of a tenant, from one database to another that has the same tables. Layer 1.

Both databases get their tables from the migrations of this product and from nowhere else, so nothing but
rows ever comes out of an archive: no trigger, no view, no index made elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlite_utils

from aura_local.errors import UnreadableInput
from aura_local.storage.schema import Migration, apply_migration
from aura_local.storage.tenant_tables import TENANT_MIGRATIONS

_ROWS_AT_ONCE: Final = 500
_WRITTEN_BY_TRIGGERS: Final = ("passages_fts", "usage_totals", "usage_months", "released_blobs")
_STAYS: Final = ("migrations", "secrets")
"""Not copied. An archive leaves the machine, and is not encrypted: no provider's key goes with it, and none
comes out of one from elsewhere."""


def make_tables(connection: Any, migrations: Sequence[Migration] = TENANT_MIGRATIONS) -> None:
    """Bring an empty database to a state of the schema. `connection` is in autocommit mode."""
    database = sqlite_utils.Database(connection, execute_plugins=False)
    for migration in migrations:
        apply_migration(database, migration)


def migrations_of(connection: Any) -> Sequence[Migration]:
    """Those that a foreign database has had. Raises UnreadableInput unless this version knows them all."""
    names = [row[0] for row in connection.execute("SELECT name FROM migrations ORDER BY ordinal").fetchall()]
    known = TENANT_MIGRATIONS[: len(names)]
    if not names or names != [migration.name for migration in known]:
        raise UnreadableInput("The database of the archive was made by another version of AURA Local.")
    return known


def same_tables(one: Any, other: Any) -> bool:
    """Whether two databases have exactly the same tables, indexes, triggers and views."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    return bool(one.execute(query).fetchall() == other.execute(query).fetchall())


def copy_rows(source: Any, target: Any) -> None:
    """Copy all rows into the empty tables of `target`, which `make_tables` has made, in one transaction.

    All but those of `_STAYS`. What triggers derive (word search, sums of usage) is derived again. Ids stay,
    and ids that have been given away are not given to other rows.
    """
    target.execute("BEGIN IMMEDIATE")
    for table in _tables(target):
        columns = [row[1] for row in target.execute(f'PRAGMA table_info("{table}")').fetchall()]
        names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
        cursor = source.execute(f'SELECT {names} FROM "{table}"')  # noqa: S608 - names of our own tables
        insert = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            target.executemany(insert, rows)
    target.execute("DELETE FROM sqlite_sequence")
    sequences = source.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    target.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", sequences)
    target.execute("COMMIT")


def _tables(connection: Any) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    names = [row[0] for row in connection.execute(query).fetchall()]
    return [name for name in names if name not in _STAYS and not name.startswith(_WRITTEN_BY_TRIGGERS)]
