"""One tenant with very many documents: how fast they are read, how fast passages are found then. Layer 4."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import sqlite_utils

from aura_local.benchmark.http_access import HttpAccess
from aura_local.benchmark.ingest_survey import differences, index_entries
from aura_local.benchmark.many_documents import ManyDocuments
from aura_local.benchmark.process_figures import MB, look_at
from aura_local.benchmark.restarting_server import RestartingServer, settings_of
from aura_local.benchmark.torture_tenants import TenantAccess, make_tenants
from aura_local.catalogue.manifest import shipped_catalogues
from aura_local.catalogue.store import ModelStore
from aura_local.data_home import open_data_home
from aura_local.engine_room import EngineRoom
from aura_local.ports import Caller, Embedder, Priority
from aura_local.retrieval.exact_search import exact_search
from aura_local.retrieval.retriever import Retriever
from aura_local.retrieval.stored_vectors import stored_classes
from aura_local.storage.tenant_handle import TenantHandle

SENTENCES: Final = 40
"""Of a document: about twenty passages."""
SMALL_SENTENCES: Final = 3
"""Of a small one: a single passage."""
AT_ONCE: Final = 4
"""Clients that upload."""
NEXT_FINISHED_WITHIN_S: Final = 120.0
QUESTIONS: Final = 200
WARM_QUESTIONS: Final = 20
COMPARED: Final = 50
"""Questions for which the index is compared with exact search."""
NEAREST: Final = 10
RECALL: Final = 0.97
RETRIEVAL_P95_MS: Final = 50.0
"""Warm, with about 200,000 passages; 25 ms are asked for with 20,000."""
SMALL_TENANT_PASSAGES: Final = 20_000
SMALL_TENANT_P95_MS: Final = 25.0
_COUNTED: Final = tuple(f'aura_documents_total{{status="{status}"}}' for status in ("indexed", "failed"))


@dataclass(slots=True)
class BulkReport:
    """What came of it."""

    seed: int
    documents: int
    small_documents: int
    passages: int = 0
    stored_ms: float = 0.0
    """Per document, from the request to the acknowledgement, one of `AT_ONCE` clients."""
    document_ms: float = 0.0
    """Per document, from the first request of all to the last one indexed."""
    passages_per_s: float = 0.0
    small_document_ms: float = 0.0
    retrieval_p50_ms: float = 0.0
    retrieval_p95_ms: float = 0.0
    """Embedding of the question included, warm."""
    embedding_p95_ms: float = 0.0
    recall_at_10: float = 0.0
    """Of the index, against exact search."""
    resident_before_mb: float = 0.0
    resident_mb: float = 0.0
    """Of the server, when all has been read."""
    index_opens_s: float = 0.0
    """In the process that asks, comparison with the database included."""
    wrong: list[str] = field(default_factory=list)


async def run_bulk(folder: Path, *, documents: int, small_documents: int, seed: int) -> BulkReport:
    """Have a server read `small_documents` and then `documents`, stop it, and search what it has made."""
    report = BulkReport(seed, documents, small_documents)
    made = ManyDocuments(seed)
    (tenant,) = await make_tenants(folder, ["collector"])
    server = RestartingServer(folder)
    try:
        await server.start()
        report.resident_before_mb = round(look_at(server.process_id).resident_bytes / MB, 1)
        reading = _Reading(HttpAccess(server.url, tenant.key), made, report)
        # The first document also loads what the server has not used yet.
        await reading.read(range(1), SMALL_SENTENCES)
        small = range(1, 1 + small_documents)
        report.small_document_ms = round(await reading.read(small, SMALL_SENTENCES) * 1000 / len(small), 1)
        large = range(1 + small_documents, 1 + small_documents + documents)
        took_s = await reading.read(large, SENTENCES)
        report.document_ms = round(took_s * 1000 / documents, 1)
        report.resident_mb = round(look_at(server.process_id).resident_bytes / MB, 1)
        await server.stop()
        passages = await _compare(folder, tenant, report)
        report.passages_per_s = round(passages / took_s, 1)
        await _search(folder, tenant, made, large, report)
    finally:
        await server.kill()
    limit_ms = SMALL_TENANT_P95_MS if report.passages <= SMALL_TENANT_PASSAGES else RETRIEVAL_P95_MS
    if report.retrieval_p95_ms > limit_ms:
        report.wrong.append(f"retrieval takes {report.retrieval_p95_ms} ms, {limit_ms:g} ms are allowed")
    if report.recall_at_10 < RECALL:
        report.wrong.append(f"the index finds {report.recall_at_10} of what exact search does")
    return report


class _Reading:
    """Uploads documents and waits until the server has read them."""

    def __init__(self, http: HttpAccess, made: ManyDocuments, report: BulkReport) -> None:
        self._http = http
        self._made = made
        self._report = report

    async def read(self, numbers: range, sentences: int) -> float:
        """Seconds from the first request until all are indexed."""
        began_s = time.monotonic()
        finished = await self._finished()
        waiting = iter(numbers)
        stored_s: list[float] = []

        async def upload() -> None:
            for number in waiting:
                content = self._made.document(number, sentences)
                sent_s = time.monotonic()
                answer = await self._http.upload(f"record-{number}.md", content)
                stored_s.append(time.monotonic() - sent_s)
                if not answer.done:
                    self._report.wrong.append(f"an upload gets {answer.status}")

        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(upload)
        await self._until(finished + len(numbers))
        self._report.stored_ms = round(sum(stored_s) * 1000 / len(stored_s), 1)
        return time.monotonic() - began_s

    async def _until(self, count: int) -> None:
        most, seen_s = 0, time.monotonic()
        while most < count:
            now = await self._finished()
            if now > most:
                most, seen_s = now, time.monotonic()
            if time.monotonic() - seen_s > NEXT_FINISHED_WITHIN_S:
                self._report.wrong.append(f"{count - most} documents stay unread")
                return
            await anyio.sleep(0.05)

    async def _finished(self) -> int:
        """By the server's own count: a list of all documents would be what costs the most."""
        metrics = (await self._http.get("/metrics", accept="text/plain")).body.decode()
        found = 0.0
        for line in metrics.splitlines():
            if line.startswith(_COUNTED):
                found += float(line.rpartition(" ")[2])
        return int(found)


async def _compare(folder: Path, tenant: TenantAccess, report: BulkReport) -> int:
    """Database and index with one another, and with what was uploaded; passages of the large documents."""
    async with open_data_home(settings_of(folder)) as data, data.leases.lease(tenant.id) as handle:
        rows = await handle.database.read(_statuses)
        stored = await stored_classes(handle.database)
        indexed = await anyio.to_thread.run_sync(index_entries, handle.folder)
    report.passages = len(stored)
    report.wrong += differences(indexed, stored)
    uploaded = 1 + report.small_documents + report.documents
    if rows["indexed"] != uploaded:
        report.wrong.append(f"{rows['indexed']} of {uploaded} documents are indexed")
    if rows["passages"] != len(stored):
        report.wrong.append(f"the documents count {rows['passages']} passages, {len(stored)} are there")
    return int(rows["large"])


def _statuses(connection: sqlite_utils.Database) -> dict[str, int]:
    query = (
        "SELECT sum(status = 'indexed') AS indexed, coalesce(sum(passage_count), 0) AS passages,"
        " coalesce(sum(passage_count) FILTER (WHERE passage_count > 2), 0) AS large FROM documents"
    )
    (row,) = connection.query(query)
    return {name: int(value or 0) for name, value in row.items()}


async def _search(
    folder: Path, tenant: TenantAccess, made: ManyDocuments, numbers: Sequence[int], report: BulkReport
) -> None:
    """Ask about documents spread over all of them, in this process: no socket in between."""
    settings = settings_of(folder)
    room = EngineRoom(settings, ModelStore(await anyio.to_thread.run_sync(shipped_catalogues)))
    try:
        await room.load()
        embedder: Embedder = room.engine("embedder")
        async with open_data_home(settings) as data, data.leases.lease(tenant.id) as handle:
            began_s = time.monotonic()
            await handle.index()
            report.index_opens_s = round(time.monotonic() - began_s, 2)
            step = max(1, len(numbers) // QUESTIONS)
            asked = [made.question(number) for number in numbers[::step][:QUESTIONS]]
            await _time(Retriever(embedder), handle, asked, report)
            report.recall_at_10 = await _recall(embedder, handle, asked[:COMPARED])
    finally:
        await room.close()


async def _time(retriever: Retriever, handle: TenantHandle, asked: list[str], report: BulkReport) -> None:
    caller = Caller(handle.id, Priority.CHAT)
    whole, embedding = [], []
    for question in asked[:WARM_QUESTIONS]:
        await retriever.retrieve(handle, question, caller=caller)
    for question in asked:
        asked_s = time.monotonic()
        found = await retriever.retrieve(handle, question, caller=caller)
        whole.append((time.monotonic() - asked_s) * 1000)
        embedding.append(found.embed_ms)
    report.retrieval_p50_ms, report.retrieval_p95_ms = _percentile(whole, 0.5), _percentile(whole, 0.95)
    report.embedding_p95_ms = _percentile(embedding, 0.95)


async def _recall(embedder: Embedder, handle: TenantHandle, asked: list[str]) -> float:
    """Of the index against exact search."""
    vectors = await embedder.embed(asked, caller=Caller(handle.id, Priority.CHAT))
    index, found = await handle.index(), 0
    for vector in vectors:
        near = {match.passage_id for match in await index.query(vector, NEAREST)}
        exact = await exact_search(handle.database, vector, NEAREST)
        found += len(near & {match.passage_id for match in exact})
    return round(found / (NEAREST * len(asked)), 4)


def _percentile(values: Sequence[float], share: float) -> float:
    return round(sorted(values)[math.ceil(share * len(values)) - 1], 1)
