"""What goes wrong in a session is told, ends one turn at most, and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import anyio
import numpy as np
import pytest

from aura_local.conversation.early_words import EVERY_MS
from aura_local.conversation.events import (
    FinalTranscript,
    ReplyAudioStarted,
    ReplyFinished,
    SessionEvent,
    TurnFailed,
    TurnMetrics,
)
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.turn_state import Phase, TurnRules
from aura_local.errors import EngineUnavailable, LaneBusy, ProtocolViolation, StorageFull
from aura_local.ports import FRAME_SAMPLES
from aura_local.storage.database import Database
from tests.support.conversations import OPENING, PATIENCE_S, Conversation, running
from tests.support.loop import idle

pytestmark = pytest.mark.anyio

BROKEN = EngineUnavailable("The engine is broken.")
LONG = (
    "It opens at nine in the morning. ",
    "It closes at six in the evening. ",
    "Admission is free for all.",
)


async def lives(talk: Conversation) -> None:
    """The session still answers."""
    count = len(talk.events(ReplyFinished))
    await talk.session.ask("where is the shop")
    finished = await talk.hear_out()
    assert (finished.heard_text, finished.cancelled) == (OPENING, False)
    assert len(talk.events(ReplyFinished)) == count + 1
    assert talk.phase() is Phase.LISTENING


async def test_a_failing_recogniser(memory: ConversationMemory) -> None:
    talk = Conversation(memory)
    talk.recogniser.script.failure = LaneBusy("The engine has 64 jobs waiting.")
    async with running(talk):
        await talk.ask_aloud()
        assert talk.events(TurnFailed) == [
            TurnFailed(1, "lane_busy", "The engine has 64 jobs waiting.", retryable=True)
        ]
        assert talk.events(FinalTranscript) == [FinalTranscript(1, "")]
        talk.recogniser.script.failure = None
        await talk.ask_aloud()
        await talk.hear_out()
        await lives(talk)
    assert talk.failures == ["lane_busy"]


@pytest.mark.parametrize("engine", ["model", "voice", "documents"])
@pytest.mark.parametrize("speculation", [True, False])
async def test_a_failing_answer(memory: ConversationMemory, engine: str, speculation: bool) -> None:
    talk = Conversation(memory, rules=TurnRules(speculation=speculation))
    broken: Any = talk.documents if engine == "documents" else getattr(talk, engine).script
    broken.failure = BROKEN
    async with running(talk):
        await talk.ask_aloud()
        await talk.told(TurnMetrics)
        assert talk.events(TurnFailed) == [TurnFailed(1, BROKEN.code, BROKEN.message, retryable=False)]
        assert talk.events(ReplyFinished)[0].cancelled
        assert talk.events(ReplyFinished)[0].heard_text == ""
        assert talk.events(ReplyAudioStarted) == []
        broken.failure = None
        await lives(talk)
    assert talk.model.open_streams == talk.voice.open_streams == 0
    assert talk.failures == [BROKEN.code]


async def test_a_failure_ahead_is_told_only_if_the_turn_ends(memory: ConversationMemory) -> None:
    talk = Conversation(memory)
    talk.model.script.failure = BROKEN
    async with running(talk):
        await talk.speak(800)
        await talk.pause(96)
        assert talk.events(TurnFailed) == []
        talk.model.script.failure = None
        await talk.speak(400)
        await talk.pause(400)
        assert (await talk.hear_out()).heard_text == OPENING
    assert talk.events(TurnFailed) == []


async def test_a_failure_in_the_middle_keeps_what_was_heard(memory: ConversationMemory) -> None:
    talk = Conversation(memory, answers=[LONG, [OPENING]])
    async with running(talk):
        await talk.speak(800)
        await talk.pause(96)
        talk.voice.script.failure = BROKEN
        talk.sink.patient = True
        await talk.pause(128)
        finished = await talk.told(ReplyFinished)
        talk.voice.script.failure = None
        assert finished.cancelled
        assert LONG[0].startswith(finished.heard_text)
        assert len(talk.events(TurnFailed)) == 1
        await lives(talk)


async def test_a_failing_detector_ends_the_session(memory: ConversationMemory) -> None:
    """Deafness is never reported as silence."""
    talk = Conversation(memory)
    talk.detector.script.failure = BROKEN
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:

            async def fails() -> None:
                with pytest.raises(EngineUnavailable, match="broken"):
                    await talk.session.run()

            tasks.start_soon(fails)
            await talk.session.push(np.zeros(FRAME_SAMPLES, dtype=np.float32))
    await talk.settle()
    with pytest.raises(ProtocolViolation, match="session is over"):
        await talk.session.push(np.zeros(FRAME_SAMPLES, dtype=np.float32))


async def test_a_failing_detector_ends_a_running_reply(memory: ConversationMemory) -> None:
    talk = Conversation(memory, answers=[LONG])
    ended = []

    async def run() -> None:
        with pytest.raises(EngineUnavailable, match="broken"):
            await talk.session.run()
        ended.append(True)

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await idle()
            await talk.ask_aloud()
            await talk.listen(1, "It opens")
            talk.detector.script.failure = BROKEN
            await talk.pause(32)
    assert ended
    assert talk.model.open_streams == talk.voice.open_streams == 0


async def test_a_full_disk_is_told_and_the_conversation_goes_on(
    database: Database, memory: ConversationMemory
) -> None:
    class FullDisk:
        async def write(self, change: object) -> None:
            raise StorageFull("No space is left.")

    memory._database = FullDisk()  # type: ignore[assignment]
    async with running(Conversation(memory)) as talk:
        await talk.session.ask("when do you open")
        await talk.hear_out()
        assert talk.events(TurnFailed)[0].code == "storage_full"
        memory._database = database
        await lives(talk)
    assert len(talk.model.conversations[1].messages) == 4, "the history is known all the same"


async def test_failing_partial_words_are_only_missing(memory: ConversationMemory) -> None:
    talk = Conversation(memory, partial_transcripts=True)
    talk.recogniser.script.failure = BROKEN
    async with running(talk):
        await talk.speak(3_200)
        attempts = len(talk.recogniser.script.calls)
        assert 1 <= attempts <= 3_200 // EVERY_MS, "not again with every frame"
        assert talk.events(TurnFailed) == []
        talk.recogniser.script.failure = None
        await talk.pause(400)
        assert (await talk.hear_out()).heard_text == OPENING


async def test_a_failed_reply_does_not_swallow_the_words_of_the_speaker(memory: ConversationMemory) -> None:
    talk = Conversation(memory, transcripts=["when do you open", "hello"])
    async with running(talk):
        talk.model.script.hold = anyio.Event()
        await talk.speak(800)
        await talk.session.push(np.zeros(13 * FRAME_SAMPLES, dtype=np.float32))
        await idle()
        assert talk.phase() is Phase.THINKING
        await talk.session.push(np.full(3 * FRAME_SAMPLES, 0.5, dtype=np.float32))
        await idle()
        talk.model.script.failure = BROKEN
        talk.model.script.hold.set()
        await talk.told(TurnFailed)
        talk.model.script.failure = talk.model.script.hold = None
        await talk.speak(640)
        await talk.pause(400)
        assert (await talk.hear_out()).heard_text == OPENING
    assert talk.events(FinalTranscript)[-1] == FinalTranscript(2, "hello")


async def test_a_failure_is_told_once_however_slow_the_client(memory: ConversationMemory) -> None:
    talk = Conversation(memory)
    talk.model.script.failure = BROKEN
    let_go = anyio.Event()

    async def slow(event: SessionEvent) -> None:
        if isinstance(event, TurnFailed):
            await let_go.wait()

    talk.slow = slow
    async with running(talk):
        await talk.session.ask("where is the shop")
        await idle()
        let_go.set()
        await talk.told(TurnMetrics)
    assert len(talk.events(TurnFailed)) == 1
