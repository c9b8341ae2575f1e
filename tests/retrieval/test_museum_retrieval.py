"""Quality and speed of retrieval on the museum's documents and questions."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from aura_local.adapters.minilm_embedder import MiniLmEmbedder
from aura_local.ports import Caller, Priority
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.retriever import Retrieval, Retriever
from tests.retrieval.conftest import REPOSITORY, OpenTenant
from tests.retrieval.uploads import ingest

KNOWLEDGE = REPOSITORY / "knowledge"
CALLER = Caller("museum", Priority.VOICE)


def entries(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (KNOWLEDGE / name).read_text().splitlines() if line]


def holds(text: str, facts: list[str]) -> bool:
    return all(fact.lower() in text.lower() for fact in facts)


@pytest.mark.anyio
@pytest.mark.engines
async def test_museum_questions(embedder: MiniLmEmbedder, open_tenant: OpenTenant) -> None:
    questions, unanswerable = entries("questions.jsonl"), entries("unanswerable.jsonl")
    durations_ms: list[float] = []
    async with open_tenant() as handle:
        ingestion, retriever = Ingestion(embedder), Retriever(embedder)
        for path in sorted((KNOWLEDGE / "riverside_museum").iterdir()):
            assert (await ingest(ingestion, handle, path.name, path.read_bytes())).status == "indexed"

        async def ask(question: str) -> Retrieval:
            begun_s = time.perf_counter()
            retrieval = await retriever.retrieve(handle, question, caller=CALLER)
            durations_ms.append((time.perf_counter() - begun_s) * 1000)
            return retrieval

        for form in ("typed", "question"):
            found = [(entry, await ask(entry[form])) for entry in questions]
            first = [entry["document"] == one.passages[0].document_name for entry, one in found]
            facts = [any(holds(p.text, entry["facts"]) for p in one.passages) for entry, one in found]
            answerable = [one.answerable for _, one in found]
            declined = [not (await ask(entry[form])).answerable for entry in unanswerable]
            assert sum(first) / len(first) >= 0.95
            assert sum(facts) / len(facts) >= 0.98
            assert sum(answerable) / len(answerable) >= 0.95
            assert sum(declined) / len(declined) >= 0.8
    assert sorted(durations_ms)[len(durations_ms) // 2] < 15
