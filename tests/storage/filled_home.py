"""A data folder with tenants in it that have something of everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.lowlevel
import numpy as np
import sqlite_utils
from numpy.typing import NDArray

from aura_local.storage.catalog import Catalog, Tenant
from aura_local.storage.keys import MasterKey
from aura_local.storage.leases import TenantLeases
from aura_local.storage.tenant_handle import ClosableIndex, TenantHandle

MASTER = MasterKey(bytes(range(32)))
OTHER_MASTER = MasterKey(bytes(range(1, 33)))


class NoIndex:
    async def close(self) -> None:
        await anyio.lowlevel.checkpoint()


async def no_index(handle: TenantHandle) -> NoIndex:
    await anyio.lowlevel.checkpoint()
    return NoIndex()


@dataclass(frozen=True, slots=True)
class Home:
    folder: Path
    catalog: Catalog
    leases: TenantLeases

    async def tenant(self, name: str, canary: str) -> Tenant:
        """A tenant with a document, a conversation, usage, a person and an API key, all of them with the
        canary in every text."""
        tenant = await self.catalog.create_tenant(name)
        await self.catalog.database.write(lambda rows: _accounts(rows, tenant.id, canary))
        async with self.leases.lease(tenant.id) as handle:
            content = f"{canary} ".encode() * 9000
            receipt = await handle.blobs.put(_whole(content), limit_bytes=len(content))
            await handle.database.write(lambda rows: _content(rows, receipt.sha256, canary))
        return tenant

    async def dump(self, tenant_id: str) -> dict[str, Any]:
        """Everything that the tenant has, blobs included."""
        async with self.leases.lease(tenant_id, even_suspended=True) as handle:
            dump = await handle.database.read(rows_of)
            for row in dump["documents"]:
                dump[row["sha256"]] = await handle.blobs.read(row["sha256"])
        return dump


@asynccontextmanager
async def opened(
    folder: Path,
    master_key: MasterKey = MASTER,
    open_index: Callable[[TenantHandle], Awaitable[ClosableIndex]] = no_index,
) -> AsyncIterator[Home]:
    catalog = await Catalog.open(folder, master_key)
    leases = TenantLeases(home=folder, catalog=catalog, open_index=open_index, reserve_bytes=0)
    try:
        yield Home(folder, catalog, leases)
    finally:
        await leases.close()
        await catalog.close()


def vector(number: int) -> NDArray[np.float32]:
    """One of 40 directions, L2-normalised."""
    drawn = np.random.default_rng(number).standard_normal(16)
    return (drawn / np.linalg.norm(drawn)).astype("<f4")


def rows_of(rows: sqlite_utils.Database) -> dict[str, Any]:
    names = [name for name in rows.table_names() if not name.startswith(("sqlite_", "passages_fts"))]
    dump: dict[str, Any] = {name: list(rows.query(f"SELECT * FROM {name}")) for name in names}
    dump.pop("migrations")  # says when
    dump["search"] = list(rows.query("SELECT rowid FROM passages_fts WHERE passages_fts MATCH 'museum'"))
    dump["next ids"] = list(rows.query("SELECT * FROM sqlite_sequence ORDER BY name"))
    return dump


def files_with(folder: Path, *needles: bytes) -> list[str]:
    """Names of the files below a folder that hold one of the words, in any of the usual encodings."""
    words = [spelling for needle in needles for spelling in (needle, needle.decode().encode("utf-16-le"))]
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(word in path.read_bytes() for word in words)
    ]


def _accounts(rows: sqlite_utils.Database, tenant_id: str, canary: str) -> None:
    rows.execute(
        "INSERT INTO users (id, tenant_id, email, name, role, created_at) VALUES (?, ?, ?, ?, 'admin', '')",
        [f"u{tenant_id}", tenant_id, f"{canary}@{tenant_id}.test", canary],
    )
    rows.execute(
        "INSERT INTO api_keys (id, tenant_id, label, prefix, digest, created_at) VALUES (?, ?, ?, ?, ?, '')",
        [f"k{tenant_id}", tenant_id, canary, f"p{tenant_id}", canary.encode()],
    )


def _content(rows: sqlite_utils.Database, sha256: str, canary: str) -> None:
    rows.execute(
        "INSERT INTO documents (id, name, media_type, sha256, size_bytes, status, created_at, updated_at)"
        " VALUES ('d', ?, 'text/plain', ?, 1, 'indexed', '', '')",
        [canary, sha256],
    )
    for number in range(40):
        rows.execute(
            "INSERT INTO passages (document_id, ordinal, text, heading, vector) VALUES ('d', ?, ?, ?, ?)",
            [number, f"{canary} museum {number} " * 20, canary, vector(number).tobytes()],
        )
    rows.execute("INSERT INTO passage_sentences VALUES (3, 0, ?, NULL)", [canary])
    rows.execute("DELETE FROM passages WHERE id = 40")
    rows.execute("INSERT INTO sessions (id, created_at) VALUES ('s', '')")
    rows.execute(
        "INSERT INTO turns (session_id, ordinal, user_text, answer_text, citations, created_at)"
        " VALUES ('s', 0, ?, ?, '[{\"passage\": 3}]', '')",
        [canary, canary],
    )
    rows.execute(
        "INSERT INTO usage_entries (entry_key, at, day, subject, kind, amount)"
        " VALUES ('s/0/text_to_speech_ms', '', '2026-01-01', 'user:u', 'text_to_speech_ms', 3)"
    )


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
