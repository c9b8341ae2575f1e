"""How fast documents come in, and how fast and how completely passages are found among many. Layer 4."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio
import numpy as np

from aura_local.benchmark.conditions import conditions
from aura_local.benchmark.varied_text import VariedText
from aura_local.engine import Engine
from aura_local.ports import Caller, Embedder, Priority
from aura_local.retrieval.exact_search import exact_search
from aura_local.retrieval.labels import EVERYTHING, AccessClasses, Audience, readable_classes
from aura_local.storage.tenant_handle import TenantHandle

Say = Callable[[str], None]

_UNDER_WAY: Final = 4
"""Documents accepted and not finished, as when somebody uploads a folder."""
_PUBLIC_EVERY: Final = 10
"""One document in ten is public: what a visitor's search is limited to."""
_SMALL_SENTENCES: Final = 4
_RECALL_AT: Final = 10
_WARM_UP_QUESTIONS: Final = 20
_LOOK_EVERY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class RetrievalSizes:
    """How much is measured."""

    passages: int = 20_000
    """In the tenant before questions are asked."""
    sentences: int = 400
    """In each of the large documents; two to three make a passage."""
    small_files: int = 100
    questions: int = 200


async def run_retrieval_benchmark(
    engine: Engine,
    handle: TenantHandle,
    embedder: Embedder,
    text: VariedText,
    sizes: RetrievalSizes,
    *,
    say: Say,
) -> dict[str, Any]:
    """Fill an empty tenant through the engine's own queue, then search it. Returns the report.

    Needs an engine that is ready. Raises what keeps a document from being accepted; one that cannot be
    indexed counts as `failed`.
    """
    filling = _Filling(engine, handle, text, say)
    small = await filling.small(sizes.small_files)
    large = await filling.large(sizes.passages, sizes.sentences)
    questions = [text.question(number) for number in range(_WARM_UP_QUESTIONS + sizes.questions)]
    report: dict[str, Any] = {
        "passages": await _passages(handle),
        "ingestion": large,
        "ingestion_of_small_files": small,
    }
    askers: tuple[tuple[str, Audience], ...] = (("everything", "admins"), ("public_only", "public"))
    for name, audience in askers:
        classes = EVERYTHING if audience == "admins" else readable_classes(audience)
        report[name] = {
            "share_of_passages": round(await _passages(handle, classes) / report["passages"], 3),
            **await _speed(engine, handle, questions, audience),
            "recall_at_10": await _recall(handle, embedder, questions[_WARM_UP_QUESTIONS:], classes),
        }
        say(f"{name}: {report[name]}")
    report["conditions"] = conditions(engine.status())
    return report


class _Filling:
    """Uploads documents and waits until they are findable."""

    def __init__(self, engine: Engine, handle: TenantHandle, text: VariedText, say: Say) -> None:
        self._engine = engine
        self._handle = handle
        self._text = text
        self._say = say
        self._added = 0

    async def small(self, count: int) -> dict[str, float | int]:
        """Files of one or two passages each."""
        begun_s, processor_s = time.perf_counter(), _processor_s()
        for _ in range(count):
            await self._add(_SMALL_SENTENCES)
        await self._until_under_way(0)
        return await self._figures(count, 0, time.perf_counter() - begun_s, _processor_s() - processor_s)

    async def large(self, passages: int, sentences: int) -> dict[str, float | int]:
        """Documents until the tenant has as many passages, with what was there."""
        before = there = await _passages(self._handle)
        begun_s, processor_s = time.perf_counter(), _processor_s()
        documents = 0
        while there < passages:
            await self._add(sentences)
            documents += 1
            await self._until_under_way(_UNDER_WAY - 1)
            there = await _passages(self._handle)
            self._say(f"{there} of {passages} passages after {time.perf_counter() - begun_s:.0f} s")
        await self._until_under_way(0)
        took_s = time.perf_counter() - begun_s
        return await self._figures(documents, before, took_s, _processor_s() - processor_s)

    async def _add(self, sentences: int) -> None:
        number = self._added
        self._added += 1
        content = self._text.document(number, sentences)
        audience: Audience = "members" if number % _PUBLIC_EVERY else "public"
        record = await self._engine.ingestion.add(
            self._handle, f"report_{number}.md", _whole(content), audience=audience
        )
        self._engine.index_soon(self._handle.id, record.id)

    async def _until_under_way(self, most: int) -> None:
        while await self._under_way() > most:  # noqa: ASYNC110 - the queue announces it to nobody
            await anyio.sleep(_LOOK_EVERY_S)

    async def _under_way(self) -> int:
        return sum(not record.finished for record in await self._engine.ingestion.list(self._handle))

    async def _figures(
        self, documents: int, before: int, took_s: float, processor_s: float
    ) -> dict[str, float | int]:
        passages = await _passages(self._handle) - before
        records = await self._engine.ingestion.list(self._handle)
        return {
            "documents": documents,
            "failed": sum(record.status == "failed" for record in records),
            "passages": passages,
            "seconds": round(took_s, 1),
            "processor_seconds": round(processor_s, 1),
            "documents_per_s": round(documents / took_s, 2),
            "passages_per_s": round(passages / took_s, 1),
        }


def _processor_s() -> float:
    """That this process and its ended workers have used: tells a slow program from a busy machine."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


async def _speed(
    engine: Engine, handle: TenantHandle, questions: Sequence[str], audience: Audience
) -> dict[str, float]:
    """Milliseconds from the question's text to passages; the first questions only warm up."""
    caller = Caller(handle.id, Priority.VOICE)
    took_ms, embed_ms = [], []
    for question in questions:
        begun_s = time.perf_counter()
        found = await engine.retriever.retrieve(handle, question, caller=caller, audience=audience)
        took_ms.append((time.perf_counter() - begun_s) * 1000)
        embed_ms.append(found.embed_ms)
    measured = took_ms[_WARM_UP_QUESTIONS:]
    return {
        "retrieval_ms_p50": round(float(np.percentile(measured, 50)), 1),
        "retrieval_ms_p95": round(float(np.percentile(measured, 95)), 1),
        "of_it_embedding_ms_p50": round(float(np.percentile(embed_ms[_WARM_UP_QUESTIONS:], 50)), 1),
    }


async def _recall(
    handle: TenantHandle, embedder: Embedder, questions: Sequence[str], classes: AccessClasses
) -> float:
    """Share of the nearest ten by exact search that the index finds among its ten."""
    index = await handle.index()
    vectors = await embedder.embed(questions, caller=Caller(handle.id, Priority.CHAT))
    expected_count = hits = 0
    for vector in vectors:
        expected = {
            one.passage_id for one in await exact_search(handle.database, vector, _RECALL_AT, classes)
        }
        found = {one.passage_id for one in await index.query(vector, _RECALL_AT, classes)}
        expected_count += len(expected)
        hits += len(found & expected)
    return round(hits / expected_count, 4) if expected_count else 0.0


async def _passages(handle: TenantHandle, classes: AccessClasses = EVERYTHING) -> int:
    marks = ",".join("?" * len(classes))
    query = (
        "SELECT count(*) FROM passages JOIN documents ON documents.id = document_id"  # noqa: S608 - marks
        f" WHERE access_class IN ({marks})"
    )
    return int(
        await handle.database.read(
            lambda connection: connection.execute(query, sorted(classes)).fetchone()[0]
        )
    )


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
