"""Whole conversations in lock-step with the sample clock: what is told, in which order, and what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aura_local.conversation.events import (
    CitationsFound,
    FinalTranscript,
    PartialTranscript,
    ReplyAudioStarted,
    ReplyFinished,
    ReplyStarted,
    ReplyTextDelta,
    SpeechStarted,
    SpeechStopped,
    TurnMetrics,
)
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.prompt import Exchange
from aura_local.conversation.turn_state import Phase, TurnRules
from aura_local.ports import FRAME_SAMPLES
from aura_local.storage.database import Database
from tests.support.conversations import OPENING, Conversation, running

pytestmark = pytest.mark.anyio

LONG = (
    "It opens at nine in the morning. ",
    "It closes at six in the evening. ",
    "Admission is free for all.",
)


async def turns(database: Database) -> list[dict[str, Any]]:
    return await database.read(lambda tables: list(tables.query("SELECT * FROM turns ORDER BY ordinal")))


async def test_a_whole_turn_in_the_documented_order(database: Database, memory: ConversationMemory) -> None:
    async with running(Conversation(memory)) as talk:
        await talk.pause(320)
        await talk.ask_aloud()
        await talk.told(ReplyAudioStarted)
        await talk.listen(1, "The museum ")
        assert talk.phase() is Phase.SPEAKING
        finished = await talk.hear_out()
    assert talk.story() == [
        "SpeechStarted",
        "SpeechStopped",
        "FinalTranscript",
        "ReplyStarted",
        "CitationsFound",
        "ReplyTextDelta",
        "ReplyAudioStarted",
        "sink play",
        "ReplyFinished",
        "TurnMetrics",
    ]
    # Ten silent frames, then speech for 25; the gate opens late but knows where it began.
    assert talk.events(SpeechStarted) == [SpeechStarted(1, 10 * FRAME_SAMPLES)]
    assert talk.events(SpeechStopped) == [SpeechStopped(1, 35 * FRAME_SAMPLES)]
    assert talk.events(FinalTranscript) == [FinalTranscript(1, "when do you open")]
    assert talk.events(ReplyStarted) == [ReplyStarted(1, 1)]
    assert talk.events(CitationsFound)[0].reply_id == 1
    assert talk.events(ReplyTextDelta) == [ReplyTextDelta(1, OPENING)]
    assert finished == ReplyFinished(1, OPENING, OPENING, cancelled=False)
    assert talk.phase() is Phase.LISTENING
    (row,) = await turns(database)
    assert (row["user_text"], row["heard_text"], row["cancelled"]) == ("when do you open", OPENING, 0)
    assert memory.exchanges == (Exchange("when do you open", OPENING),)


async def test_stages_and_work_are_told(memory: ConversationMemory) -> None:
    async with running(Conversation(memory)) as talk:
        await talk.ask_aloud()
        await talk.hear_out()
    (metrics,) = talk.events(TurnMetrics)
    assert list(metrics.stages_ms) == [
        "pause_detected",
        "transcribed",
        "retrieved",
        "first_text",
        "first_audio_ready",
        "committed",
        "first_audio",
    ]
    assert sorted(metrics.stages_ms.values()) == list(metrics.stages_ms.values())
    assert metrics.work["generated_tokens"] == 1
    assert metrics.work["speculations"] == 1
    assert metrics.work["wasted_tokens"] == 0
    assert talk.counted == [(metrics, False)]


async def test_the_recogniser_gets_the_speech_with_a_little_around_it(memory: ConversationMemory) -> None:
    async with running(Conversation(memory)) as talk:
        await talk.pause(3_200)
        await talk.ask_aloud()
    ((_, samples, language, caller),) = talk.recogniser.script.calls
    speech = 25 * FRAME_SAMPLES
    assert speech + 3 * FRAME_SAMPLES <= samples <= speech + 11 * FRAME_SAMPLES
    assert (language, caller.tenant_id) == ("en", "tenant")


async def test_work_ahead_is_done_and_nobody_notices(memory: ConversationMemory) -> None:
    async with running(Conversation(memory, answers=[LONG])) as talk:
        await talk.speak(800)
        await talk.pause(96)
        assert talk.documents.asked == ["when do you open"]
        assert talk.model.open_streams == 1
        # The first sentence only: the rest would be wasted if the speaker goes on.
        assert talk.voice.spoken == [LONG[0]]
        assert talk.story() == ["SpeechStarted", "SpeechStopped"]
        assert memory.exchanges == ()
        await talk.pause(128)
        assert talk.events(ReplyStarted) == [ReplyStarted(1, 1)]
        assert len(talk.model.conversations) == 1, "what was prepared is used"
        finished = await talk.hear_out()
    assert finished.text == "".join(LONG)
    assert len(talk.voice.spoken) == 3


async def test_without_speculation_nothing_is_done_before_the_silence_is_over(
    memory: ConversationMemory,
) -> None:
    async with running(Conversation(memory, rules=TurnRules(speculation=False))) as talk:
        await talk.speak(800)
        await talk.pause(192)
        assert talk.recogniser.script.calls == []
        await talk.pause(128)
        assert talk.documents.asked == ["when do you open"]
        await talk.hear_out()
    assert talk.events(TurnMetrics)[0].work["speculations"] == 0


async def test_speech_in_the_pause_joins_its_words(memory: ConversationMemory) -> None:
    talk = Conversation(
        memory, transcripts=["when do you", "when do you open on sunday"], answers=[LONG, [OPENING]]
    )
    async with running(talk):
        await talk.speak(640)
        await talk.pause(128)
        assert len(talk.model.conversations) == 1
        await talk.speak(640)
        assert talk.model.open_streams == talk.voice.open_streams == 0, "work ahead has ended"
        await talk.pause(400)
        finished = await talk.hear_out()
    assert talk.events(SpeechStarted) == [SpeechStarted(1, 0)]
    assert [event.turn for event in talk.events(SpeechStopped)] == [1, 1]
    assert talk.events(FinalTranscript) == [FinalTranscript(1, "when do you open on sunday")]
    assert talk.events(ReplyStarted) == [ReplyStarted(1, 1)]
    assert finished.text == OPENING
    first, second = (call[1] for call in talk.recogniser.script.calls)
    assert second - first == 24 * FRAME_SAMPLES, "the second transcript is of the whole turn"
    (metrics,) = talk.events(TurnMetrics)
    assert metrics.work["speculations"] == 2
    # Two sentences were generated for the reply nobody heard: one was spoken, one waited for the commit.
    assert metrics.work["wasted_tokens"] == 2
    assert metrics.work["generated_tokens"] == 3


async def test_an_unfinished_sentence_is_waited_for(memory: ConversationMemory) -> None:
    async with running(Conversation(memory, completion=0.1)) as talk:
        await talk.speak(800)
        await talk.pause(1_184)
        assert talk.events(FinalTranscript) == []
        await talk.pause(32)
        assert talk.events(FinalTranscript) == [FinalTranscript(1, "when do you open")]


async def test_words_that_are_no_words_get_no_reply(memory: ConversationMemory) -> None:
    async with running(Conversation(memory, transcripts=[""])) as talk:
        await talk.ask_aloud()
        assert talk.phase() is Phase.LISTENING
    assert talk.story() == ["SpeechStarted", "SpeechStopped", "FinalTranscript"]
    assert talk.events(FinalTranscript) == [FinalTranscript(1, "")]
    assert talk.documents.asked == []


async def test_a_click_is_not_even_transcribed(memory: ConversationMemory) -> None:
    async with running(Conversation(memory)) as talk:
        await talk.speak(128)
        await talk.pause(400)
    assert talk.recogniser.script.calls == []
    assert talk.events(FinalTranscript) == [FinalTranscript(1, "")]


async def test_words_are_shown_while_they_are_spoken(memory: ConversationMemory) -> None:
    talk = Conversation(
        memory, transcripts=["when do", "when do you", "when do you open"], partial_transcripts=True
    )
    async with running(talk):
        await talk.speak(3_200)
        shown = talk.events(PartialTranscript)
        assert [(words.text, words.stable_characters) for words in shown[:2]] == [
            ("when do", 0),
            ("when do you", len("when do")),
        ]
        await talk.pause(400)
        await talk.hear_out()
    story = talk.story()
    assert story.index("PartialTranscript") < story.index("SpeechStopped")
    assert "PartialTranscript" not in story[story.index("FinalTranscript") :]
    assert talk.documents.asked[0] == "when do", "retrieval begins while the question is being spoken"


async def test_memory_does_not_grow_with_a_long_reply(memory: ConversationMemory) -> None:
    """Audio that cannot be needed any more is dropped while the reply is spoken."""
    async with running(Conversation(memory, answers=[LONG])) as talk:
        await talk.ask_aloud()
        await talk.listen(1, "It")
        assert talk.phase() is Phase.SPEAKING
        await talk.pause(9_600)
        assert talk.phase() is Phase.SPEAKING
        assert len(talk.session._hearing._frames) < 15


async def test_positions_count_what_was_accepted(memory: ConversationMemory) -> None:
    async with running(Conversation(memory)) as talk:
        assert talk.session.received_samples == 0
        for length in (1, 511, 512, 700):
            await talk.session.push(np.zeros(length, dtype=np.float32))
        await talk.settle()
        assert talk.session.received_samples == 1_724
        assert len(talk.detector.script.calls) == 3
