"""How a session ends: by `finish`, by cancellation, a hundred times; and slow partners in between."""

from __future__ import annotations

import asyncio
import gc
import threading

import anyio
import numpy as np
import pytest

from aura_local.conversation.events import (
    FinalTranscript,
    ReplyFinished,
    ReplyStarted,
    ReplyTextDelta,
    SessionEvent,
    TurnMetrics,
)
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.turn_state import Phase
from aura_local.errors import ProtocolViolation
from aura_local.ports import FRAME_SAMPLES
from aura_local.storage.database import Database
from tests.support.conversations import OPENING, PATIENCE_S, Conversation, running
from tests.support.loop import idle

pytestmark = pytest.mark.anyio

LONG = (
    "It opens at nine in the morning. ",
    "It closes at six in the evening. ",
    "Admission is free for all.",
)


async def test_finish_answers_what_was_said_and_then_ends(memory: ConversationMemory) -> None:
    talk = Conversation(memory)
    talk.sink.patient = True
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(talk.session.run)
            await idle()
            await talk.speak(800)
            await talk.session.finish()
    assert talk.events(ReplyFinished) == [ReplyFinished(1, OPENING, OPENING, cancelled=False)]
    assert len(memory.exchanges) == 1
    with pytest.raises(ProtocolViolation):
        await talk.session.push(np.zeros(FRAME_SAMPLES, dtype=np.float32))


@pytest.mark.parametrize("speech_ms", [96, 480])
@pytest.mark.parametrize("heard", ["", "It opens at nine "])
async def test_finish_during_a_reply_somebody_talks_over(
    memory: ConversationMemory, speech_ms: int, heard: str
) -> None:
    """Neither a held nor a suspended reply may keep a session that gets no audio any more."""
    talk = Conversation(memory, transcripts=["when do you open", ""], answers=[LONG])
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(talk.session.run)
            await idle()
            if not heard:
                talk.sink.capacity_samples = 0
            await talk.ask_aloud()
            await talk.listen(1, heard)
            await talk.speak(speech_ms)
            await talk.session.finish()
            talk.sink.capacity_samples = 12_000
            talk.sink.listen_to_all()
    assert talk.phase() is Phase.LISTENING
    assert len(talk.events(ReplyFinished)) == len(talk.events(ReplyStarted))


async def test_a_silent_session_finishes(memory: ConversationMemory) -> None:
    talk = Conversation(memory)
    with anyio.fail_after(PATIENCE_S):
        await talk.session.finish()
        await talk.session.run()
    assert talk.log == []


async def test_push_waits_while_the_session_is_behind(memory: ConversationMemory) -> None:
    talk = Conversation(memory)
    with anyio.move_on_after(PATIENCE_S) as scope:
        async with anyio.create_task_group() as tasks:
            # Nobody hears yet: after two seconds of audio the client has to wait.
            tasks.start_soon(talk.session.push, np.zeros(100 * FRAME_SAMPLES, dtype=np.float32))
            await idle()
            assert talk.session.received_samples < 100 * FRAME_SAMPLES
            tasks.start_soon(talk.session.run)
            await idle()
            await talk.settle()
            assert len(talk.detector.script.calls) == 100
            tasks.cancel_scope.cancel()
    assert not scope.cancelled_caught


@pytest.mark.parametrize("moment", ["hearing", "paused", "thinking", "speaking", "interrupted"])
async def test_cancelling_run_leaves_no_task_and_no_stream(memory: ConversationMemory, moment: str) -> None:
    before = asyncio.all_tasks()
    talk = Conversation(memory, answers=[LONG])
    async with running(talk):
        await talk.speak(800)
        if moment != "hearing":
            await talk.pause(96)
        if moment in ("thinking", "speaking", "interrupted"):
            talk.sink.capacity_samples = 0 if moment == "thinking" else 12_000
            await talk.pause(304)
        if moment in ("speaking", "interrupted"):
            await talk.listen(1, "It opens at nine ")
        if moment == "interrupted":
            await talk.speak(480)
    assert asyncio.all_tasks() == before
    assert talk.model.open_streams == talk.voice.open_streams == 0
    with pytest.raises(ProtocolViolation):
        await talk.session.push(np.zeros(FRAME_SAMPLES, dtype=np.float32))


async def test_a_hundred_sessions_leave_nothing(database: Database) -> None:
    before = asyncio.all_tasks()
    threads = threading.active_count()
    kept = 0
    for number in range(100):
        memory = await ConversationMemory.begin(database, "en")
        talk = Conversation(memory)
        async with running(talk):
            await talk.speak(320)
            await talk.pause(320)
            if number % 2:
                await talk.hear_out()
            else:
                await talk.listen(1, "The")
        assert talk.model.open_streams == talk.voice.open_streams == 0
        if number == 10:
            gc.collect()
            kept = len(gc.get_objects())
    assert asyncio.all_tasks() == before
    assert threading.active_count() <= threads + 2
    del talk, memory
    gc.collect()
    assert len(gc.get_objects()) - kept < 5_000, "sessions stay in memory"


async def test_a_slow_client_gets_every_event_in_order(memory: ConversationMemory) -> None:
    answers = [[f"Sentence number {n}. " for n in range(20)]]
    talk = Conversation(memory, answers=answers)

    async def slow(event: SessionEvent) -> None:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()

    talk.slow = slow
    async with running(talk):
        await talk.ask_aloud()
        finished = await talk.hear_out()
    deltas = talk.events(ReplyTextDelta)
    assert "".join(delta.text for delta in deltas).strip() == finished.text
    assert finished.text == "".join(answers[0]).strip()
    assert finished.heard_text.split() == finished.text.split()
    order = [type(entry) for entry in talk.log if not isinstance(entry, tuple)]
    assert order.index(FinalTranscript) < order.index(ReplyStarted) < order.index(ReplyTextDelta)
    assert order[-2:] == [ReplyFinished, TurnMetrics]


async def test_a_listener_who_is_slow_hears_all_of_it_in_order(memory: ConversationMemory) -> None:
    talk = Conversation(memory, answers=[LONG])
    talk.sink.capacity_samples = 2_400
    async with running(talk):
        await talk.ask_aloud()
        for _ in range(20):
            await talk.sink.listen(1, 4_000)
        await talk.hear_out()
    positions = [first for first, _ in talk.sink.queued[1]]
    assert positions == sorted(positions)
    total = sum(len(text) for text in talk.voice.spoken) * talk.voice.samples_per_character
    assert len(talk.sink.audio(1)) == total
