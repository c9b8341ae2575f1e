"""Follow-ups find what they mean on the museum's documents, and nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aura_local.adapters.minilm_embedder import MiniLmEmbedder
from aura_local.conversation.prompt import Exchange
from aura_local.conversation.self_contained import self_contained
from aura_local.ports import Caller, Priority
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.retriever import Retrieval, Retriever
from tests.retrieval.conftest import REPOSITORY, OpenTenant
from tests.retrieval.uploads import ingest

KNOWLEDGE = REPOSITORY / "knowledge"
CALLER = Caller("museum", Priority.VOICE)
FOLLOW_UPS = [
    ("when does the guided tour start", "how long does it take", "fifty minutes"),
    ("how long does the guided tour take", "and how much is it", "six euros"),
    ("when does the guided tour start", "where can i find it", "next to the red train"),
    ("how much is an audio guide", "how long does it take", "two hours"),
    ("where is the cafe", "when does it open", "ten in the morning"),
    ("what time does the cafe open", "and when does it close", "five in the afternoon"),
    ("what time does the cafe open", "what about the museum shop", "half past nine"),
    ("what time does the museum open", "what about the cafe", "ten in the morning"),
    ("what time does the museum close", "and on fridays", "nine in the evening"),
    ("what time does the museum open", "and on monday", "closed on monday"),
    ("how much is an adult ticket", "and for students", "eight euros"),
    ("how much is an adult ticket", "what about a child ticket", "five euros"),
    ("how much is an adult ticket", "and a family ticket", "thirty euros"),
    ("where is the car park", "how much is it", "eight euros"),
    ("where is the car park", "what time does it close", "ten in the evening"),
    ("where is the chocolate exhibition", "how much does it cost", "four euros"),
    ("how much is a ticket for the chocolate exhibition", "where is it", "first floor"),
    ("how much is a season ticket", "how long is it good", "twelve months"),
    ("when does the film start", "how much is that", "seven euros"),
    ("when is the next lecture", "how much does that cost", "lecture is free"),
    ("when is the family workshop", "how much does it cost", "nine euros"),
    ("how much does the family workshop cost", "where is it", "room seven"),
    ("how long does a museum lesson take", "what does it cost", "sixty euros"),
    ("how much is a museum lesson", "how early do i book it", "three weeks"),
    ("where is the restaurant", "how do i book a table there", "online"),
    ("where is the lost property office", "how long do they keep things", "ninety days"),
    ("is there free wifi", "what is the password for it", "blue castle ninety"),
    ("where is the cloakroom", "how much is that", "cloakroom for free"),
    ("how much is the lecture", "and when is it", "half past six"),
    ("who is the first manager", "what did she sell", "alice london"),
]
"""The question before, the follow-up, and what the passages found have to hold."""


def entries(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (KNOWLEDGE / name).read_text().splitlines() if line]


def holds(found: Retrieval, fact: str, limit: int) -> bool:
    return any(fact in passage.text.lower().replace("-", " ") for passage in found.passages[:limit])


@pytest.mark.parametrize("form", ["typed", "question"])
def test_no_question_that_stands_alone_is_touched(form: str) -> None:
    questions = entries("questions.jsonl") + entries("unanswerable.jsonl")
    before = Exchange("How much is a guided tour?", "A guided tour costs six euros.")
    changed = {entry[form]: self_contained(entry[form], [before]) for entry in questions}
    assert {asked: made for asked, made in changed.items() if asked != made} == {}
    assert len(changed) > 100


@pytest.mark.anyio
@pytest.mark.engines
async def test_follow_ups_find_what_they_mean(embedder: MiniLmEmbedder, open_tenant: OpenTenant) -> None:
    async with open_tenant() as handle:
        ingestion, retriever = Ingestion(embedder), Retriever(embedder)
        for path in sorted((KNOWLEDGE / "riverside_museum").iterdir()):
            assert (await ingest(ingestion, handle, path.name, path.read_bytes())).status == "indexed"

        async def found(question: str) -> Retrieval:
            return await retriever.retrieve(handle, question, caller=CALLER)

        as_asked = made_whole = best = 0
        for before, follow_up, fact in FOLLOW_UPS:
            passage = (await found(before)).passages[0]
            heard = max(passage.sentences, key=lambda sentence: sentence.similarity).text
            whole = self_contained(follow_up, [Exchange(before, heard)])
            as_asked += holds(await found(follow_up), fact, 4)
            made_whole += holds(retrieval := await found(whole), fact, 4)
            best += holds(retrieval, fact, 1)
    # Of four passages; as asked, one in two happens to be found although nothing says what it is about.
    assert made_whole >= 29
    assert best >= 21
    assert as_asked <= 20
