"""A tenant out of an archive from elsewhere. Layer 1.

The archive is checked as a whole before the tenant exists: first its members, then its database, of which
only rows are taken. The vector index is not part of it: it is built from the database when it is first
opened, so that the tenant gives the same answers with the same citations.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import sqlcipher3.dbapi2 as sqlcipher
import sqlite_utils
from anyio import to_thread

from aura_local.errors import Conflict, NotFound, StorageDamaged, UnreadableInput
from aura_local.storage.archive_members import (
    BLOB_PREFIX,
    DATABASE_MEMBER,
    ArchiveReader,
    open_archive,
)
from aura_local.storage.audit_table import AlsoWrite
from aura_local.storage.catalog import Catalog, Tenant
from aura_local.storage.database_copies import check, connected
from aura_local.storage.durable_files import create_private_file, make_private_folder, sync_file, sync_folder
from aura_local.storage.keys import new_tenant_key
from aura_local.storage.leases import TenantLeases
from aura_local.storage.progress import Progress, unobserved
from aura_local.storage.sqlite_errors import file_errors_translated
from aura_local.storage.tenant_files import (
    BLOB_FOLDER,
    IMPORT_FOLDER,
    REMOVABLE_MARK,
    TENANT_DATABASE,
)
from aura_local.storage.tenant_rows import copy_rows, make_tables, migrations_of, same_tables


async def import_tenant(
    catalog: Catalog,
    leases: TenantLeases,
    source: Path,
    name: str,
    *,
    also: AlsoWrite | None = None,
    progress: Progress = unobserved,
) -> Tenant:
    """Make a new tenant `name`, with a new id and key, of an archive; durable on return.

    `progress` counts members. The plain database lies in the system's folder for temporary files
    meanwhile. People and API keys are to be made anew. Raises InvalidRequest and Conflict for the name,
    UnreadableInput for a damaged or foreign archive, StorageFull; then nothing has been created.
    """
    tenant, key = catalog.plan_tenant(name), new_tenant_key()
    try:
        await catalog.tenant_by_name(tenant.name)
    except NotFound:
        pass
    else:
        raise Conflict("A tenant of this name exists already.")
    staged = leases.home / IMPORT_FOLDER / tenant.id
    archive = open_archive(source)
    reader = await to_thread.run_sync(archive.__enter__)
    try:
        await to_thread.run_sync(_stage_database, reader, staged, key)
        blobs = leases.blob_store(staged, key)
        for count, member in enumerate(reader.names):
            progress(count, len(reader.names))
            content = _chunks(reader, member)
            if member.startswith(BLOB_PREFIX):
                receipt = await blobs.put(content, limit_bytes=2**63)
                if BLOB_PREFIX + receipt.sha256 != member:
                    raise UnreadableInput("The archive cannot be imported: a document is not what it was.")
            else:
                async for _ in content:
                    pass  # its digest is compared
        progress(len(reader.names), len(reader.names))

        def place(database: sqlite_utils.Database, tenant_id: str) -> None:
            if also is not None:
                also(database, tenant_id)
            _place(staged, leases.folder(tenant_id))

        with anyio.CancelScope(shield=True):
            await catalog.add_tenant(tenant, key, also=place)
            await to_thread.run_sync((leases.folder(tenant.id) / REMOVABLE_MARK).unlink)
    finally:
        archive.__exit__(None, None, None)
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(lambda: shutil.rmtree(staged, ignore_errors=True))
    return tenant


def _stage_database(reader: ArchiveReader, staged: Path, key: bytes) -> None:
    """Make the tenant's database in `staged` from the rows of the archive's."""
    with tempfile.TemporaryDirectory(prefix="aura-import-") as folder, file_errors_translated(staged):
        plain = Path(folder) / "plain.sqlite"
        with plain.open("wb") as file:
            for chunk in reader.chunks(DATABASE_MEMBER):
                file.write(chunk)
        make_private_folder(staged / BLOB_FOLDER)
        create_private_file(staged / REMOVABLE_MARK)
        target = staged / TENANT_DATABASE
        create_private_file(target)
        try:
            _copy(plain, target, key, frozenset(reader.blobs))
        except (StorageDamaged, sqlcipher.Error) as error:
            raise UnreadableInput("The archive cannot be imported: its database is damaged.") from error
        sync_file(target)


def _copy(plain: Path, target: Path, key: bytes, blobs: frozenset[str]) -> None:
    with connected(plain, None) as source, connected(target, key) as database:
        source.execute("PRAGMA trusted_schema = OFF")
        source.execute("PRAGMA cell_size_check = ON")
        make_tables(database, migrations_of(source))
        if not same_tables(source, database):
            raise UnreadableInput("The archive cannot be imported: its database has other tables than ours.")
        check(plain, None)
        copy_rows(source, database)
        rows = database.execute("SELECT DISTINCT sha256 FROM documents").fetchall()
        if not {row[0] for row in rows} <= blobs:
            raise UnreadableInput("The archive cannot be imported: it lacks the file of a document.")
        if database.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise UnreadableInput("The archive cannot be imported: its database contradicts itself.")
    check(target, key)


def _place(staged: Path, folder: Path) -> None:
    """Runs inside the transaction that makes the tenant, as its last step."""
    with file_errors_translated(folder):
        make_private_folder(folder.parent)
        staged.rename(folder)
        sync_folder(folder.parent)


async def _chunks(reader: ArchiveReader, member: str) -> AsyncIterator[bytes]:
    chunks = reader.chunks(member)
    while (chunk := await to_thread.run_sync(next, chunks, None)) is not None:
        yield chunk
