"""What a conversation remembers is what was heard, and it is on the disk."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from aura_local.conversation.events import Citation
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.prompt import Exchange
from aura_local.errors import NotFound, StorageUnavailable
from aura_local.storage.database import Database

pytestmark = pytest.mark.anyio

CITATION = Citation("d", "hours.md", "Hours", 2, 7, 10, 40, "We open at nine.")


async def rows(database: Database) -> list[dict[str, Any]]:
    return await database.read(
        lambda tables: list(tables.query("SELECT * FROM turns ORDER BY session_id, ordinal"))
    )


async def remember(memory: ConversationMemory, question: str, heard: str = "heard") -> None:
    await memory.remember(
        question=question,
        answer=f"{heard} and more",
        heard=heard,
        cancelled=True,
        citations=[CITATION],
        stages_ms={"committed": 201.5},
    )


async def test_a_turn_is_stored_with_all_that_belongs_to_it(
    database: Database, memory: ConversationMemory
) -> None:
    await remember(memory, "when do you open", "We open")
    (row,) = await rows(database)
    assert (row["session_id"], row["ordinal"]) == (memory.session_id, 1)
    assert (row["user_text"], row["heard_text"]) == ("when do you open", "We open")
    assert row["answer_text"] == "We open and more"
    assert row["cancelled"] == 1
    assert json.loads(row["citations"])[0]["quote"] == "We open at nine."
    assert json.loads(row["timings"]) == {"committed": 201.5}
    assert row["created_at"].endswith("+00:00")


async def test_a_conversation_goes_on_where_it_was(database: Database, memory: ConversationMemory) -> None:
    for number in range(1, 5):
        await remember(memory, f"question {number}", f"heard {number}")
    resumed = await ConversationMemory.resume(database, memory.session_id, exchanges=2)
    assert resumed.exchanges == (Exchange("question 3", "heard 3"), Exchange("question 4", "heard 4"))
    await remember(resumed, "question 5")
    assert [row["ordinal"] for row in await rows(database)] == [1, 2, 3, 4, 5]


async def test_a_conversation_without_turns_can_be_resumed(
    database: Database, memory: ConversationMemory
) -> None:
    assert (await ConversationMemory.resume(database, memory.session_id)).exchanges == ()


async def test_an_unknown_conversation_does_not_exist(database: Database) -> None:
    with pytest.raises(NotFound):
        await ConversationMemory.resume(database, "0123456789abcdef")


async def test_conversations_do_not_mix(database: Database, memory: ConversationMemory) -> None:
    other = await ConversationMemory.begin(database, "de")
    assert other.session_id != memory.session_id
    await remember(memory, "mine")
    assert other.exchanges == ()
    assert (await ConversationMemory.resume(database, other.session_id)).exchanges == ()


async def test_two_turns_stored_at_once_keep_their_places(
    database: Database, memory: ConversationMemory
) -> None:
    """An interruption may end a second reply while the first is still being stored."""
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(remember, memory, f"question {number}")
    stored = await rows(database)
    assert [row["ordinal"] for row in stored] == [1, 2, 3, 4, 5]
    assert [row["user_text"] for row in stored] == [exchange.question for exchange in memory.exchanges]


async def test_the_next_prompt_knows_a_turn_before_it_is_stored(memory: ConversationMemory) -> None:
    place = memory.add(Exchange("when do you open", "We open"))
    assert memory.exchanges == (Exchange("when do you open", "We open"),)
    await memory.store(place, answer="We open at nine.", cancelled=True, citations=[], stages_ms={})
    assert len(memory.exchanges) == 1


async def test_a_failure_is_told_and_loses_only_the_row(
    database: Database, memory: ConversationMemory
) -> None:
    await database.close()
    with pytest.raises(StorageUnavailable):
        await remember(memory, "when do you open")
    assert memory.exchanges == (Exchange("when do you open", "heard"),)
