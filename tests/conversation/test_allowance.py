"""What a conversation may use is set aside before the answer and entered with it; without any it says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import sqlite_utils

from aura_local.conversation.allowance import USED_UP, LedgerWrite
from aura_local.conversation.events import FinalTranscript, TurnFailed, TurnMetrics
from aura_local.conversation.memory import ConversationMemory
from aura_local.errors import NotFound, QuotaExceeded
from aura_local.storage.database import Database
from tests.support.conversations import Conversation, running

pytestmark = pytest.mark.anyio


@dataclass
class Purse:
    """Counts reservations; refuses when it is empty."""

    answers: int
    open: int = 0
    entered: dict[str, Mapping[str, int]] = field(default_factory=dict)

    @asynccontextmanager
    async def reserve(self) -> AsyncIterator[None]:
        if not self.answers:
            raise QuotaExceeded("The allowance of speech is used up.")
        self.answers -= 1
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    def spent(self, answer_id: str, work: Mapping[str, int]) -> LedgerWrite:
        self.entered[answer_id] = dict(work)

        def enter(connection: sqlite_utils.Database) -> None:
            connection.execute(
                "INSERT INTO usage_entries (entry_key, at, day, subject, kind, amount)"
                " VALUES (?, 'now', 'today', 'user:1', 'spoken', ?)",
                [answer_id, work["spoken_ms"]],
            )

        return enter


async def stored(database: Database) -> tuple[int, list[str]]:
    def query(connection: sqlite_utils.Database) -> tuple[int, list[str]]:
        keys = [
            row["entry_key"] for row in connection.query("SELECT entry_key FROM usage_entries ORDER BY id")
        ]
        return connection.table("turns").count, keys

    return await database.read(query)


async def test_what_was_used_is_entered_with_the_turn(database: Database, memory: ConversationMemory) -> None:
    purse = Purse(answers=5)
    async with running(Conversation(memory, allowance=purse)) as talk:
        await talk.ask_aloud()
        finished = await talk.hear_out()
        metrics = await talk.told(TurnMetrics)
    key = f"{memory.session_id}/{finished.reply_id}"
    assert await stored(database) == (1, [key])
    assert purse.entered[key] == metrics.work
    assert purse.entered[key]["heard_ms"] >= 800
    assert purse.entered[key]["spoken_ms"] > 0
    assert purse.open == 0


async def test_without_an_allowance_the_reply_says_so(memory: ConversationMemory) -> None:
    async with running(Conversation(memory, allowance=Purse(answers=0))) as talk:
        await talk.ask_aloud()
        finished = await talk.hear_out()
        failed = await talk.told(TurnFailed)
        assert talk.documents.asked == []
    assert finished.text == finished.heard_text == USED_UP
    assert (failed.code, failed.retryable) == ("quota_exceeded", False)
    assert talk.events(FinalTranscript)[0].text == "when do you open"


async def test_of_a_visitor_only_the_use_is_stored(database: Database) -> None:
    visitor = await ConversationMemory.begin(database, "en", owner="visitor:1", kept=False)
    async with running(Conversation(visitor, allowance=Purse(answers=5))) as talk:
        await talk.ask_aloud()
        finished = await talk.hear_out()
        await talk.told(TurnMetrics)
    assert await stored(database) == (0, [f"{visitor.session_id}/{finished.reply_id}"])
    with pytest.raises(NotFound):
        await ConversationMemory.resume(database, visitor.session_id, owner="visitor:1")


async def test_a_conversation_is_its_owners_alone(database: Database) -> None:
    mine = await ConversationMemory.begin(database, "en", owner="user:1")
    assert (await ConversationMemory.resume(database, mine.session_id, owner="user:1")).exchanges == ()
    with pytest.raises(NotFound):
        await ConversationMemory.resume(database, mine.session_id, owner="user:2")
