"""Conversations with a wake phrase: who is answered, for how long, and that the others leave no trace."""

from __future__ import annotations

from typing import Any

import pytest

from aura_local.conversation.events import (
    FinalTranscript,
    PartialTranscript,
    ReplyFinished,
    ReplyStarted,
    SpeechStopped,
)
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.turn_state import Phase
from aura_local.conversation.wake_phrase import WakePhrase
from aura_local.storage.database import Database
from tests.support.conversations import OPENING, Conversation, running

pytestmark = pytest.mark.anyio

WAKE = WakePhrase("hello aura", listen_ms=3_000, follow_up_ms=4_000)
ALWAYS = WakePhrase("hello aura", listen_ms=3_000, follow_up_ms=0)


async def rows(database: Database, table: str) -> list[dict[str, Any]]:
    return await database.read(lambda tables: list(tables.query(f"SELECT * FROM {table}")))


def said(talk: Conversation) -> list[str]:
    return [event.text for event in talk.events(FinalTranscript)]


async def test_the_words_after_the_phrase_are_the_question(
    database: Database, memory: ConversationMemory
) -> None:
    talk = Conversation(memory, transcripts=["Hello, Aura: when do you open?"], wake=WAKE)
    async with running(talk):
        await talk.ask_aloud()
        await talk.hear_out()
    assert said(talk) == ["when do you open?"]
    assert [call[2] for call in talk.turns.script.calls] == ["when do you open?"]
    assert [row["user_text"] for row in await rows(database, "turns")] == ["when do you open?"]


async def test_other_speech_leaves_no_trace(database: Database, memory: ConversationMemory) -> None:
    talk = Conversation(memory, transcripts=["they open at nine"], wake=WAKE, partial_transcripts=True)
    async with running(talk):
        for _ in range(3):
            await talk.speak(1_600)
            await talk.pause(1_500)
        assert talk.phase() is Phase.LISTENING
    assert len(talk.recogniser.script.calls) > 6, "early words and whole ones were looked at"
    assert said(talk) == ["", "", ""]
    assert talk.story() == ["SpeechStarted", "SpeechStopped", "FinalTranscript"] * 3
    assert (talk.documents.asked, talk.model.conversations, talk.counted) == ([], [], [])
    assert memory.exchanges == ()
    for table in ("turns", "usage_entries", "usage_totals"):
        assert await rows(database, table) == [], table


async def test_early_words_are_those_after_the_phrase(memory: ConversationMemory) -> None:
    heard = [
        "hello",
        "hello aura",
        "hello aura when do",
        "hello aura when do you",
        "hello aura when do you open",
    ]
    talk = Conversation(memory, transcripts=heard, wake=WAKE, partial_transcripts=True)
    async with running(talk):
        await talk.speak(2_000)
        await talk.pause(400)
        await talk.hear_out()
    shown = [(event.text, event.stable_characters) for event in talk.events(PartialTranscript)]
    assert shown[:2] == [("when do", 0), ("when do you", len("when do"))]
    assert said(talk) == ["when do you open"]


@pytest.mark.parametrize(("pause_ms", "answered"), [(2_000, True), (4_000, False)])
async def test_after_the_phrase_alone_the_next_utterance_is_the_question(
    memory: ConversationMemory, pause_ms: int, answered: bool
) -> None:
    talk = Conversation(memory, transcripts=["hello aura", "when do you open"], wake=WAKE)
    async with running(talk):
        await talk.ask_aloud()
        assert (said(talk), talk.phase()) == ([""], Phase.LISTENING)
        await talk.pause(pause_ms)
        await talk.ask_aloud()
    assert said(talk) == ["", "when do you open" if answered else ""]
    assert bool(talk.events(ReplyStarted)) is answered


@pytest.mark.parametrize(("pause_ms", "answered"), [(3_000, True), (5_000, False)])
async def test_after_a_reply_no_phrase_is_needed_for_a_while(
    memory: ConversationMemory, pause_ms: int, answered: bool
) -> None:
    talk = Conversation(memory, transcripts=["hello aura when do you open", "and on sunday"], wake=WAKE)
    async with running(talk):
        await talk.ask_aloud()
        # However long the reply: the time counts from its end.
        await talk.pause(6_000)
        await talk.hear_out()
        await talk.pause(pause_ms)
        await talk.ask_aloud()
    assert said(talk) == ["when do you open", "and on sunday" if answered else ""]


async def test_without_a_follow_up_every_question_needs_the_phrase(memory: ConversationMemory) -> None:
    heard = ["hello aura", "when do you open", "and on sunday", "hello aura and on sunday"]
    talk = Conversation(memory, transcripts=heard, wake=ALWAYS)
    async with running(talk):
        await talk.ask_aloud()
        await talk.ask_aloud()
        await talk.hear_out()
        await talk.ask_aloud()
        await talk.ask_aloud()
        await talk.hear_out()
    assert said(talk) == ["", "when do you open", "", "and on sunday"]


@pytest.mark.parametrize(
    ("wake", "words", "interrupts"),
    [(WAKE, "and on sunday", True), (ALWAYS, "and on sunday", False), (ALWAYS, "hello aura stop", True)],
)
async def test_who_may_interrupt_a_reply(
    memory: ConversationMemory, wake: WakePhrase, words: str, interrupts: bool
) -> None:
    talk = Conversation(memory, transcripts=["hello aura when do you open", words], wake=wake)
    async with running(talk):
        await talk.ask_aloud()
        await talk.listen(1, "The museum ")
        await talk.ask_aloud()
        await talk.hear_out()
    first = talk.events(ReplyFinished)[0]
    assert (first.reply_id, first.cancelled) == (1, interrupts)
    assert first.heard_text == ("The museum" if interrupts else OPENING)


@pytest.mark.parametrize(("pause_ms", "answered"), [(600, True), (1_600, False)])
async def test_a_pause_within_the_phrase(memory: ConversationMemory, pause_ms: int, answered: bool) -> None:
    talk = Conversation(memory, transcripts=["Hello.", "Aura, when do you open?"], wake=WAKE)
    async with running(talk):
        await talk.speak(400)
        await talk.pause(pause_ms)
        await talk.ask_aloud()
    assert said(talk) == ["", "when do you open?" if answered else ""]


async def test_a_question_goes_on_after_a_pause(memory: ConversationMemory) -> None:
    """Also where the phrase is not recognised the second time."""
    heard = ["hello aura when do you", "fellow or when do you open on sunday"]
    talk = Conversation(memory, transcripts=heard, completion=0.0, wake=WAKE)
    async with running(talk):
        await talk.speak(800)
        await talk.pause(300)
        await talk.speak(800)
        await talk.pause(1_500)
        await talk.hear_out()
    assert len(talk.events(SpeechStopped)) == 2
    assert said(talk) == ["fellow or when do you open on sunday"]
    assert len(talk.events(ReplyFinished)) == 1


async def test_a_typed_question_needs_no_phrase(memory: ConversationMemory) -> None:
    talk = Conversation(memory, wake=WAKE)
    async with running(talk):
        await talk.session.ask("when do you open")
        await talk.hear_out()
    assert said(talk) == ["when do you open"]
