"""One answer: unnoticed before its commit, cut to the sample, gone for good when it is ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from aura_local.adapters.scripted import ScriptedLanguageModel, ScriptedTextToSpeech
from aura_local.conversation.events import (
    CitationsFound,
    PlaybackFlushed,
    ReplyAudioStarted,
    ReplyStarted,
    ReplyTextDelta,
    SessionEvent,
)
from aura_local.conversation.prompt import PromptSettings
from aura_local.conversation.reply import Answering, AnswerStream, Question
from aura_local.conversation.spoken_reply import SpokenReply
from aura_local.conversation.stopwatch import Stopwatch
from aura_local.errors import EngineUnavailable
from aura_local.ports import Caller, GenerationLimits, Priority, TextToSpeech
from tests.support.conversations import Documents, ListenedSink, grounding
from tests.support.loop import idle

pytestmark = pytest.mark.anyio

CALLER = Caller("a", Priority.VOICE)
SENTENCES = ("It opens at nine in the morning. ", "It closes at six.")


class Spoken:
    """A reply with its model, its voice and its listener."""

    def __init__(self, *pieces: str, voice_hz: int = 24_000) -> None:
        self.log: list[object] = []
        self.model = ScriptedLanguageModel([pieces or SENTENCES])
        self.voice = ScriptedTextToSpeech(voice_hz, samples_per_character=voice_hz // 20)
        self.sink = ListenedSink(self.log)
        self.audible = 0
        self.doubts = 0
        answering = Answering(
            drafting=self.model,
            quoting=None,
            declining=self.model,
            prompt=PromptSettings(),
            limits=GenerationLimits(),
        )

        documents = Documents(grounding("".join(pieces or SENTENCES)))

        @asynccontextmanager
        async def open_answer(watch: Stopwatch) -> AsyncIterator[tuple[AnswerStream, TextToSpeech]]:
            question = Question("when", "a/1", (), CALLER)
            async with answering.open(question, documents.retrieve, watch) as stream:
                yield stream, self.voice

        self.reply = SpokenReply(
            turn=3,
            revision=1,
            question="when",
            open_answer=open_answer,
            voice_name="amy",
            sink=self.sink,
            notify=self._notify,
            caller=CALLER,
            stopwatch=Stopwatch(),
            doubted=self._is_doubted,
        )

    async def _notify(self, event: SessionEvent) -> None:
        self.log.append(event)

    async def _is_audible(self) -> None:
        self.audible += 1

    async def _is_doubted(self) -> None:
        self.doubts += 1

    async def play(self) -> bool:
        return await self.reply.play(self._is_audible)


async def test_nothing_is_told_and_little_is_spoken_before_the_commit() -> None:
    spoken = Spoken()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(spoken.reply.produce)
        await spoken.reply.prepared()
        await idle()
        assert spoken.log == []
        assert spoken.voice.spoken == [SENTENCES[0]]
        assert spoken.voice.script.calls[0] == ("stream", SENTENCES[0], "amy", CALLER)
        await spoken.reply.commit(7)
        await spoken.reply.over()
    assert [type(event) for event in spoken.log] == [
        ReplyStarted,
        CitationsFound,
        ReplyTextDelta,
        ReplyTextDelta,
    ]
    assert all(event.reply_id == 7 for event in spoken.log)  # type: ignore[attr-defined]
    assert len(spoken.voice.spoken) == 2
    assert spoken.reply.answer.text == "".join(SENTENCES)


async def test_played_to_its_end() -> None:
    spoken = Spoken()
    spoken.sink.patient = True
    await spoken.reply.commit(1)
    await spoken.reply.produce()
    assert await spoken.play()
    assert spoken.audible == 1
    assert len([event for event in spoken.log if isinstance(event, ReplyAudioStarted)]) == 1
    assert spoken.reply.heard_samples == spoken.reply.spoken_samples
    assert spoken.reply.heard_text.split() == "".join(SENTENCES).split()


async def test_the_voice_is_brought_to_the_rate_of_the_sink() -> None:
    spoken = Spoken("It opens at nine.", voice_hz=16_000)
    await spoken.reply.commit(1)
    await spoken.reply.produce()
    made = len("It opens at nine. ") * 800
    assert abs(spoken.reply.spoken_samples - made * 24_000 / 16_000) <= 4


async def test_silenced_it_goes_on_where_it_was_cut() -> None:
    spoken = Spoken()
    await spoken.reply.commit(1)
    await spoken.reply.produce()
    results: list[bool] = []

    async def play() -> None:
        results.append(await spoken.play())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(play)
        await spoken.sink.listen(1, 15_000)
        await spoken.reply.silence()
        await idle()
        assert results == [False]
        assert spoken.log.index(("flush", 1)) == len(spoken.log) - 2
        assert spoken.log[-1] == PlaybackFlushed(1, 15_000)
        assert spoken.reply.heard_samples == 15_000
        spoken.sink.listen_to_all()
        played = len(spoken.sink.queued[1])
        tasks.start_soon(play)
    assert results == [False, True]
    assert spoken.sink.queued[1][played][0] == 15_000
    assert spoken.reply.heard_samples == spoken.reply.spoken_samples
    assert spoken.audible == 1


async def test_ended_before_it_began_to_play_it_is_never_heard() -> None:
    spoken = Spoken()
    await spoken.reply.commit(1)
    await spoken.reply.silence()
    spoken.reply.abandon()
    await spoken.reply.produce()
    assert not await spoken.play()
    assert spoken.sink.queued == {}
    assert spoken.reply.heard_text == ""


async def test_held_it_stays_inaudible_and_goes_on() -> None:
    spoken = Spoken()
    spoken.sink.patient = True
    await spoken.reply.commit(1)
    await spoken.reply.produce()
    spoken.reply.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(spoken.play)
        await idle()
        assert spoken.sink.queued == {}
        assert not [event for event in spoken.log if isinstance(event, ReplyAudioStarted)]
        spoken.reply.release()
    assert spoken.reply.heard_samples == spoken.reply.spoken_samples


async def test_abandoned_all_engines_stop_and_what_they_did_is_known() -> None:
    spoken = Spoken()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(spoken.reply.produce)
        await spoken.reply.prepared()
        assert spoken.model.open_streams == 1
        spoken.reply.abandon()
        await spoken.reply.over()
    assert spoken.model.open_streams == spoken.voice.open_streams == 0
    assert spoken.reply.answer.usage.generated_tokens == 2
    assert spoken.reply.failure is None


async def test_a_failure_is_kept_until_somebody_asks() -> None:
    spoken = Spoken()
    spoken.voice.script.failure = EngineUnavailable("broken")
    await spoken.reply.produce()
    await spoken.reply.prepared()
    await spoken.reply.over()
    assert isinstance(spoken.reply.failure, EngineUnavailable)
    assert spoken.voice.open_streams == spoken.model.open_streams == 0


async def test_a_reply_that_was_never_answered_has_an_empty_answer() -> None:
    answer = Spoken().reply.answer
    assert (answer.text, answer.citations, answer.answered) == ("", (), False)


async def test_spoken_as_a_voice_should_say_it_and_shown_and_remembered_as_written() -> None:
    written = "Visit for £12.50, see https://example.org/a [1]."
    spoken = Spoken(written)
    spoken.sink.patient = True
    await spoken.reply.commit(1)
    await spoken.reply.produce()
    assert await spoken.play()
    assert "".join(spoken.voice.spoken).split() == "Visit for twelve pounds fifty, see the link.".split()
    assert spoken.reply.answer.text == written
    assert spoken.reply.heard_text == written


async def test_what_was_heard_of_a_number_is_told_by_how_long_it_takes_to_say() -> None:
    spoken = Spoken("We ask £12.50 today.")
    await spoken.reply.commit(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(spoken.reply.produce)
        tasks.start_soon(spoken.play)
        await idle()
        # "twelve" is said, "pounds fifty" is not yet: as long as the written form would take to its end.
        await spoken.sink.listen(1, len("We ask twelve") * 24_000 // 20)
        await spoken.reply.silence()
        spoken.reply.abandon()
    assert spoken.reply.heard_text == "We ask"


async def test_what_cannot_be_said_is_shown_and_not_heard() -> None:
    spoken = Spoken("It opens at nine. ", "[1]")
    spoken.sink.patient = True
    await spoken.reply.commit(1)
    await spoken.reply.produce()
    assert await spoken.play()
    assert len(spoken.voice.spoken) == 1
    assert spoken.reply.heard_text == "It opens at nine."
