"""Compares what a data folder holds with what its server had promised. Layer 4."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import sqlite_utils

from aura_local.accounts.random_secrets import digest_of
from aura_local.audit.chain import PLATFORM, AuditLog
from aura_local.benchmark.crash_journal import TenantJournal
from aura_local.benchmark.restarting_server import settings_of
from aura_local.data_home import DataHome, open_data_home
from aura_local.storage.database import Database
from aura_local.storage.tenant_handle import TenantHandle


async def survey(folder: Path, journals: list[TenantJournal], *, every_byte: bool = False) -> list[str]:
    """What is lost, doubled or damaged; a server may run on the folder meanwhile. Empty: all is well.

    Unless `every_byte`, the bytes of documents are compared once, not every time.
    """
    wrong: list[str] = []
    async with open_data_home(settings_of(folder)) as data:
        wrong += await _damage(data.catalog.database, "platform")
        wrong += await _broken_chain(data, PLATFORM)
        for journal in journals:
            tenant_id = journal.tenant.id
            wrong += await _broken_chain(data, tenant_id)
            wrong += await data.catalog.database.read(partial(_accounts, journal))
            async with data.leases.lease(tenant_id) as handle:
                wrong += await _damage(handle.database, tenant_id)
                wrong += await handle.database.read(partial(_conversations, journal))
                wrong += await _documents(handle, journal, every_byte)
    return wrong


async def _damage(database: Database, name: str) -> list[str]:
    def check(connection: sqlite_utils.Database) -> list[str]:
        (found,) = connection.conn.execute("PRAGMA integrity_check").fetchone()
        return [] if found == "ok" else [f"{name}: {found}"]

    return await database.read(check)


async def _broken_chain(data: DataHome, chain: str) -> list[str]:
    state = await AuditLog(data.catalog.database, chain).verify()
    return [] if state.broken_at is None else [f"audit chain {chain} is broken: {state.reason}"]


async def _documents(handle: TenantHandle, journal: TenantJournal, every_byte: bool) -> list[str]:
    rows = await handle.database.read(lambda c: list(c.query("SELECT name, sha256 FROM documents")))
    wrong = list(_counted("document", Counter(str(row["name"]) for row in rows), set(journal.documents)))
    stored = {str(row["name"]): str(row["sha256"]) for row in rows}
    for name in stored.keys() - journal.documents.keys() - journal.offered:
        wrong.append(f"document {name} was never offered")
    due = journal.documents.keys() if every_byte else journal.documents.keys() - journal.read
    for name in due & stored.keys():
        journal.read.add(name)
        if hashlib.sha256(await handle.blobs.read(stored[name])).digest() != _digest(journal.documents[name]):
            wrong.append(f"document {name} has other bytes")
    return wrong


def _conversations(journal: TenantJournal, connection: sqlite_utils.Database) -> list[str]:
    return list(_of_conversations(journal, connection))


def _of_conversations(journal: TenantJournal, connection: sqlite_utils.Database) -> Iterator[str]:
    rows = list(connection.query("SELECT session_id, answer_text FROM turns"))
    yield from _counted("turn", Counter(str(row["session_id"]) for row in rows), set(journal.turns))
    if len(rows) > journal.asked:
        yield f"there are {len(rows)} turns of {journal.asked} questions"
    entries: dict[str, dict[str, int]] = defaultdict(dict)
    for row in connection.query("SELECT entry_key, kind, amount FROM usage_entries"):
        counted = str(row["entry_key"]).split("/")
        session = counted[1] if counted[0] == "document" else counted[0]
        if row["kind"] in entries[session]:
            yield f"the ledger has {row['kind']} of {session} twice"
        entries[session][str(row["kind"])] = int(row["amount"])
    for row in connection.query("SELECT id, size_bytes FROM documents"):
        if entries.pop(str(row["id"]), {}) != {"documents": 1, "document_bytes": int(row["size_bytes"])}:
            yield f"the ledger does not have document {row['id']} as it is"
    for row in rows:
        session = str(row["session_id"])
        told = journal.turns.get(session)
        if told is not None and told.answer != row["answer_text"]:
            yield f"turn {session} is not what its client was told"
        if told is not None and told.ledger != entries[session]:
            yield f"the ledger has {entries[session]} for {session}, told was {dict(told.ledger)}"
    with_turn = {str(row["session_id"]) for row in rows}
    for name in {name for name, kinds in entries.items() if kinds} - with_turn:
        yield f"the ledger has entries of {name}, which is neither document nor turn"
    yield from _sums(connection)


def _sums(connection: sqlite_utils.Database) -> Iterator[str]:
    """Totals are kept beside the entries: both must say the same."""
    for table in ("usage_totals", "usage_months"):
        query = "SELECT kind, sum(amount) AS amount FROM {} GROUP BY kind ORDER BY kind"
        kept = list(connection.query(query.format(table)))
        if kept != list(connection.query(query.format("usage_entries"))):
            yield f"{table} does not add up"


def _accounts(journal: TenantJournal, connection: sqlite_utils.Database) -> list[str]:
    return list(_of_accounts(journal, connection))


def _of_accounts(journal: TenantJournal, connection: sqlite_utils.Database) -> Iterator[str]:
    tenant = [journal.tenant.id]
    people = connection.query("SELECT email FROM users WHERE tenant_id = ?", tenant)
    yield from _counted("person", Counter(str(row["email"]) for row in people), journal.people)
    links = connection.query("SELECT email FROM links WHERE tenant_id = ?", tenant)
    yield from _counted("invitation", Counter(str(row["email"]) for row in links), journal.invited)
    for token in journal.refresh_tokens.values():
        query = "SELECT used_at, revoked_at FROM refresh_tokens WHERE digest = ?"
        found = connection.execute(query, [digest_of(token)]).fetchone()
        if found != (None, None):
            yield "a refresh token that was handed out does not work"
    keys = list(connection.query("SELECT id, label, revoked_at FROM api_keys WHERE tenant_id = ?", tenant))
    yield from _counted("key", Counter(str(row["id"]) for row in keys), set(journal.keys))
    yield from _counted("label", Counter(str(row["label"]) for row in keys), set(journal.keys.values()))
    for row in keys:
        if (row["revoked_at"] is None) == (row["id"] in journal.revoked) and (
            row["id"] in journal.revoked or row["id"] not in journal.maybe_revoked
        ):
            yield f"key {row['id']} is revoked or valid against what was said"
    query = "SELECT action, subject, details FROM audit_entries WHERE chain = ?"
    made = Counter(
        str(row["subject"]) for row in connection.query(query, tenant) if row["action"] == "key.created"
    )
    if made != Counter(str(row["id"]) for row in keys):
        yield f"the audit log has {made.total()} keys made, the table {len(keys)}"


def _counted(what: str, found: Counter[str], promised: set[str]) -> Iterator[str]:
    for name in promised - found.keys():
        yield f"{what} {name} is lost"
    for name, times in found.items():
        if times > 1:
            yield f"{what} {name} is there {times} times"


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def unfinished_documents(answer: bytes) -> tuple[int, list[str]]:
    """From `GET /api/documents`: how many are still being read, and the names of those that failed."""
    documents = json.loads(answer)["documents"]
    waiting = sum(document["status"] not in ("indexed", "failed") for document in documents)
    return waiting, [document["name"] for document in documents if document["status"] == "failed"]
