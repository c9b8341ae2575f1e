"""Interruptions, real and false, spoken and typed: what falls silent, what is kept, what goes on."""

from __future__ import annotations

from typing import Any

import anyio
import numpy as np
import pytest

from aura_local.conversation.events import (
    FinalTranscript,
    PlaybackFlushed,
    ReplyAudioStarted,
    ReplyFinished,
    ReplyStarted,
    SpeechStarted,
    TurnMetrics,
)
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.prompt import Exchange
from aura_local.conversation.turn_state import Phase
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


async def test_speech_while_thinking_takes_the_question_back(memory: ConversationMemory) -> None:
    talk = Conversation(memory, transcripts=["when do you open", "when do you open on sunday"])
    async with running(talk):
        await talk.speak(800)
        talk.sink.capacity_samples = 0  # nothing can be heard yet
        await talk.pause(400)
        assert talk.phase() is Phase.THINKING
        await talk.speak(480)
        assert talk.phase() is Phase.HEARING
        talk.sink.capacity_samples = 12_000
        await talk.pause(400)
        finished = await talk.hear_out()
    assert [event.turn for event in talk.events(FinalTranscript)] == [1, 1]
    assert talk.events(FinalTranscript)[-1].text == "when do you open on sunday"
    assert talk.events(ReplyStarted) == [ReplyStarted(1, 1), ReplyStarted(2, 1)]
    assert talk.events(ReplyFinished)[0] == ReplyFinished(1, OPENING, "", cancelled=True)
    assert (finished.reply_id, finished.cancelled) == (2, False)
    assert talk.events(ReplyAudioStarted)[-1] == ReplyAudioStarted(2)
    assert memory.exchanges == (Exchange("when do you open on sunday", OPENING),)


async def test_a_cough_while_thinking_only_holds_the_reply(memory: ConversationMemory) -> None:
    talk = Conversation(memory)
    async with running(talk):
        await talk.speak(800)
        talk.sink.capacity_samples = 0
        await talk.pause(400)
        await talk.speak(96)
        assert talk.phase() is Phase.THINKING
        await talk.pause(128)
        talk.sink.capacity_samples = 12_000
        finished = await talk.hear_out()
    assert finished == ReplyFinished(1, OPENING, OPENING, cancelled=False)
    assert len(talk.events(FinalTranscript)) == 1


async def interrupted(talk: Conversation, heard: str) -> None:
    """A reply is cut after these words by a second of speech."""
    await talk.ask_aloud()
    await talk.told(ReplyAudioStarted)
    await talk.listen(1, heard)
    assert talk.phase() is Phase.SPEAKING
    await talk.speak(960)


async def test_barge_in_is_silent_first_and_keeps_what_was_heard(
    database: Database, memory: ConversationMemory
) -> None:
    talk = Conversation(memory, transcripts=["when do you open", "and on sunday"], answers=[LONG, [OPENING]])
    async with running(talk):
        await talk.ask_aloud()
        await talk.told(ReplyAudioStarted)
        await talk.listen(1, "It opens at nine in ")
        before = len(talk.log)
        await talk.speak(960)
        happened = [entry for entry in talk.log[before:] if entry != ("play", 1)]
        assert happened[0] == ("flush", 1)
        assert isinstance(happened[1], PlaybackFlushed)
        assert isinstance(happened[2], SpeechStarted)
        assert talk.events(ReplyFinished) == [], "kept: it may have been noise"
        await talk.pause(400)
        assert talk.model.open_streams == talk.voice.open_streams == 0
        cancelled = await talk.told(ReplyFinished)
        finished = await talk.hear_out()
    assert cancelled == ReplyFinished(1, cancelled.text, "It opens at nine in", cancelled=True)
    assert talk.events(PlaybackFlushed)[0] == PlaybackFlushed(1, 20 * 1_200)
    assert talk.events(SpeechStarted)[1].turn == 2
    assert finished == ReplyFinished(2, OPENING, OPENING, cancelled=False)
    # The prompt of the next answer holds what was heard, not what was generated.
    assert [message.text for message in talk.model.conversations[-1].messages[1:3]] == [
        "when do you open",
        "It opens at nine in",
    ]
    stored = [(row["user_text"], row["heard_text"], row["cancelled"]) for row in await turns(database)]
    assert stored == [("when do you open", "It opens at nine in", 1), ("and on sunday", OPENING, 0)]


async def test_a_reply_is_quieter_while_it_is_unclear(memory: ConversationMemory) -> None:
    talk = Conversation(memory, answers=[LONG])
    async with running(talk):
        await talk.ask_aloud()
        await talk.listen(1, "It opens")
        await talk.speak(96)
        ducked_from = talk.sink.ends[1]
        await talk.listen(1, " at nine in the")
        ducked_to = talk.sink.ends[1]
        await talk.pause(128)
        await talk.listen(1, " morning. It")
        restored_to = talk.sink.ends[1]
        await talk.hear_out()
    audio = talk.sink.audio(1)

    def loudness(first: int, end: int) -> float:
        return float(np.abs(audio[first:end]).max())

    assert ducked_from < ducked_to < restored_to
    assert loudness(0, ducked_from) == pytest.approx(0.25, abs=0.01)
    assert loudness(ducked_from + 2_400, ducked_to) == pytest.approx(0.25 / 4, abs=0.01)
    assert loudness(ducked_to + 2_400, restored_to) == pytest.approx(0.25, abs=0.01)


async def test_a_false_barge_in_goes_on_where_it_was_cut(memory: ConversationMemory) -> None:
    talk = Conversation(memory, transcripts=["when do you open", ""], answers=[LONG])
    async with running(talk):
        await interrupted(talk, "It opens at nine in ")
        cut = talk.sink.heard[1]
        queued_before = len(talk.sink.queued[1])
        await talk.pause(160)
        assert talk.phase() is Phase.SPEAKING
        finished = await talk.hear_out()
    assert talk.sink.queued[1][queued_before][0] == cut, "from the cut, neither earlier nor later"
    assert finished == ReplyFinished(1, "".join(LONG), finished.heard_text, cancelled=False)
    assert finished.heard_text.split() == "".join(LONG).split()
    assert talk.events(FinalTranscript)[-1] == FinalTranscript(2, "")
    assert len(talk.events(ReplyStarted)) == 1
    assert len(talk.model.conversations) == 1, "going on costs no work"


async def test_a_reply_can_be_cut_twice(memory: ConversationMemory) -> None:
    talk = Conversation(memory, transcripts=["when do you open", "", "stop"], answers=[LONG, [OPENING]])
    async with running(talk):
        await interrupted(talk, "It opens at ")
        await talk.pause(160)
        await talk.listen(1, "nine in the ")
        await talk.speak(960)
        await talk.pause(400)
        first = await talk.told(ReplyFinished)
        await talk.hear_out()
    assert first.heard_text == "It opens at nine in the"
    assert [flushed.heard_samples for flushed in talk.events(PlaybackFlushed)][:2] == [12 * 1_200, 24 * 1_200]


async def test_a_typed_question_is_answered(memory: ConversationMemory) -> None:
    async with running(Conversation(memory)) as talk:
        await talk.session.ask("  where is the shop \n")
        finished = await talk.hear_out()
    assert talk.events(FinalTranscript) == [FinalTranscript(1, "where is the shop")]
    assert finished.heard_text == OPENING
    assert "pause_detected" not in talk.events(TurnMetrics)[0].stages_ms


async def test_a_typed_question_interrupts_and_knows_what_was_heard(memory: ConversationMemory) -> None:
    talk = Conversation(memory, answers=[LONG, [OPENING]])
    async with running(talk):
        await talk.ask_aloud()
        await talk.listen(1, "It opens at nine ")
        await talk.session.ask("where is the shop")
        first = await talk.told(ReplyFinished)
        await talk.hear_out()
    assert first == ReplyFinished(1, first.text, "It opens at nine", cancelled=True)
    assert talk.events(FinalTranscript)[-1] == FinalTranscript(2, "where is the shop")
    assert [message.text for message in talk.model.conversations[1].messages[1:3]] == [
        "when do you open",
        "It opens at nine",
    ]
    assert [exchange.heard_answer for exchange in memory.exchanges] == ["It opens at nine", OPENING]


async def test_a_typed_question_in_a_sentence_ends_that_turn(memory: ConversationMemory) -> None:
    async with running(Conversation(memory)) as talk:
        await talk.speak(800)
        await talk.session.ask("where is the shop")
        await talk.hear_out()
    assert talk.events(FinalTranscript) == [FinalTranscript(1, ""), FinalTranscript(2, "where is the shop")]
    assert [event.turn for event in talk.events(ReplyStarted)] == [2]


async def test_speech_after_a_typed_question_is_a_turn_of_its_own(memory: ConversationMemory) -> None:
    """What was said long before must not be heard again."""
    talk = Conversation(memory, transcripts=["when do you open", "never mind"])
    async with running(talk):
        await talk.ask_aloud()
        await talk.hear_out()
        talk.sink.capacity_samples = 0
        await talk.session.ask("where is the shop")
        await talk.speak(480)
        talk.sink.capacity_samples = 12_000
        await talk.pause(400)
        await talk.hear_out()
    assert [(event.turn, event.text) for event in talk.events(FinalTranscript)] == [
        (1, "when do you open"),
        (2, "where is the shop"),
        (3, "never mind"),
    ]
    assert talk.recogniser.script.calls[1][1] <= (15 + 11) * FRAME_SAMPLES


async def test_cancel_stops_the_reply(memory: ConversationMemory) -> None:
    async with running(Conversation(memory, answers=[LONG])) as talk:
        await talk.ask_aloud()
        await talk.listen(1, "It opens at nine ")
        await talk.session.cancel()
        finished = await talk.told(ReplyFinished)
        await talk.settle()
        assert talk.model.open_streams == talk.voice.open_streams == 0
        assert talk.phase() is Phase.LISTENING
        await talk.session.cancel()
    assert finished.heard_text == "It opens at nine"
    assert finished.cancelled
    assert talk.counted[0][1]
    assert len(talk.events(ReplyFinished)) == 1


async def test_work_is_counted_to_the_last_token_of_a_cancelled_reply(memory: ConversationMemory) -> None:
    async with running(Conversation(memory, answers=[LONG])) as talk:
        await talk.speak(800)
        await talk.pause(96)
        talk.model.script.hold = anyio.Event()
        await talk.session.push(np.zeros(5 * FRAME_SAMPLES, dtype=np.float32))
        await talk.told(ReplyAudioStarted)
        assert talk.model.open_streams == 1, "the last sentence is still being generated"
        await talk.session.cancel()
        metrics = await talk.told(TurnMetrics)
    assert metrics.work["generated_tokens"] == 2
    assert metrics.work["prompt_tokens_evaluated"] > 0


async def test_cancelled_at_once_it_is_never_heard(memory: ConversationMemory) -> None:
    async with running(Conversation(memory)) as talk:
        await talk.session.ask("where is the shop")
        await talk.session.cancel()
        await talk.told(TurnMetrics)
    assert ("play", 1) not in talk.log
    assert talk.events(ReplyFinished)[0].heard_text == ""
    assert memory.exchanges == (), "what nobody heard is not remembered"


async def test_an_audio_stall_ends_the_utterance(memory: ConversationMemory) -> None:
    async with running(Conversation(memory)) as talk:
        await talk.speak(800)
        await talk.session.input_stalled()
        await talk.settle()
        assert talk.events(FinalTranscript) == [FinalTranscript(1, "when do you open")]
        await talk.hear_out()


async def test_a_stall_during_a_reply_is_no_interruption(memory: ConversationMemory) -> None:
    async with running(Conversation(memory)) as talk:
        await talk.speak(800)
        talk.sink.capacity_samples = 0
        await talk.pause(400)
        await talk.speak(96)
        await talk.session.input_stalled()
        talk.sink.capacity_samples = 12_000
        assert (await talk.hear_out()).heard_text == OPENING
