"""The conversation by voice on the real engines, in lock-step: what is counted does not depend on speed.

Each engine opens a copy of the museum's data; a person's voice is espeak-ng, the ears, the answers and
AURA's own voice are the models that ship.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any, cast

import numpy as np
import pytest

from aura_local.adapters.scripted import ScriptedVoiceActivity
from aura_local.audio.resample import resample
from aura_local.benchmark.labelled_speech import UtteranceMaker, open_speaker
from aura_local.benchmark.nonspeech import react_to, synthetic_sounds
from aura_local.benchmark.questions import MuseumQuestion, answerable_questions, normalise
from aura_local.benchmark.spoken_conversation import SpokenTurn, hold_conversation
from aura_local.benchmark.word_errors import word_error_rate
from aura_local.catalogue.manifest import shipped_catalogues
from aura_local.catalogue.store import ModelStore
from aura_local.conversation.events import (
    FinalTranscript,
    PlaybackFlushed,
    ReplyAudioStarted,
    ReplyFinished,
    ReplyStarted,
)
from aura_local.egress import denied_count
from aura_local.engine import Engine
from aura_local.engine_room import EngineRoom, Engines
from aura_local.ports import SPEECH_RATE_HZ, Caller, Priority, Samples, SpeechToText
from aura_local.settings_sources import LoadedSettings, load_settings
from aura_local.storage.leases import TenantHandle
from tests.support.lock_step import lock_step

pytestmark = [pytest.mark.anyio, pytest.mark.engines, pytest.mark.llama, pytest.mark.starter]

QUESTIONS = answerable_questions()[:10]
INTERRUPTION = "is there a discount online"
CONFIRMATION_MS = 200
"""Speech that the detector wants to have heard before it interrupts (`voice.barge_in_ms`)."""


class RoomWith:
    """The real engine room, with one engine replaced."""

    def __init__(self, room: EngineRoom, replaced: dict[str, Any]) -> None:
        self._room = room
        self._replaced = replaced

    def engine(self, job: str) -> Any:
        return self._replaced.get(job) or self._room.engine(job)

    @asynccontextmanager
    async def hold(self, job: str) -> AsyncIterator[Any]:
        yield self.engine(job)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._room, name)


@dataclass
class Museum:
    """An engine that knows the museum, and its parts."""

    engine: Engine
    handle: TenantHandle
    recogniser: SpeechToText

    async def words(self, audio: Samples, rate_hz: int) -> list[str]:
        """What the shipped recogniser hears in some audio."""
        caller = Caller("test", Priority.CHAT)
        speech = resample(audio, rate_hz, SPEECH_RATE_HZ)
        transcript = await self.recogniser.transcribe(speech, language="en", caller=caller)
        return normalise(transcript.text).split()

    async def converse(
        self, maker: UtteranceMaker, questions: list[MuseumQuestion], *, paused_share: float
    ) -> list[SpokenTurn]:
        spoken = [question.spoken for question in questions]
        utterances = await maker.make(spoken, paused_share=paused_share)
        async with hold_conversation(self.engine, self.handle, maker, real_time=False) as conversation:
            return [turn async for turn in conversation.turns(utterances)]


@asynccontextmanager
async def museum_engine(
    folder: Path, settings: Mapping[str, object] | None = None, **replaced: Any
) -> AsyncIterator[Museum]:
    loaded = _settings(folder, settings or {})
    real = EngineRoom(loaded.values, ModelStore(shipped_catalogues()))
    async with Engine.open(loaded, room=cast(Engines, RoomWith(real, replaced))) as engine:
        await engine.ready()
        tenant = (await engine.catalog.tenants())[0]
        async with engine.leases.lease(tenant.id) as handle:
            yield Museum(engine, handle, real.engine("speech_to_text"))


def _settings(folder: Path, chosen: Mapping[str, object]) -> LoadedSettings:
    settings = {
        "home": folder / "home",
        "master_key_file": folder / "key" / "master.key",
        "profile": "demo",
        "limits.disk_reserve_bytes": 0,
    }
    return load_settings({**settings, **chosen}, {})


async def test_questions_are_heard_answered_and_cited(copied_museum: Path, maker: UtteranceMaker) -> None:
    async with museum_engine(copied_museum) as museum:
        turns = await museum.converse(maker, QUESTIONS, paused_share=0.34)
    assert sum(turn.pause_s > 0 for turn in turns) == 3
    assert [turn.failure for turn in turns] == [""] * len(QUESTIONS)
    assert word_error_rate((turn.said, turn.heard) for turn in turns) <= 0.07
    pairs = list(zip(QUESTIONS, turns, strict=True))
    wrong = [(turn.heard, turn.answer) for question, turn in pairs if not question.answered_by(turn.answer)]
    assert len(wrong) <= 1, wrong
    uncited = [(turn.heard, turn.answer) for question, turn in pairs if not question.cited_by(turn.citations)]
    assert len(uncited) <= 1, uncited
    assert [turn.heard_answer for turn in turns] == [turn.answer for turn in turns]
    assert denied_count() == 0


async def test_the_same_words_cost_the_same_work_again(museum_folder: Path, tmp_path: Path) -> None:
    """Each question in a session of its own, half of them with a pause that voids what was worked ahead.

    Without partial transcripts: how many of them a machine can afford is a matter of its speed.
    """

    async def run(name: str) -> list[dict[str, int]]:
        folder = Path(copytree(museum_folder, tmp_path / name))
        settings = {"voice.partial_transcripts": False}
        work = []
        async with museum_engine(folder, settings) as museum, open_speaker() as speaker:
            for number, question in enumerate(QUESTIONS[:4]):
                maker = UtteranceMaker(speaker)
                turns = await museum.converse(maker, [question], paused_share=number % 2)
                work.append(dict(turns[0].work))
        return work

    first = await run("first")
    assert await run("second") == first
    assert sum(work["speculations"] for work in first) > len(first)
    assert sum(work["prompt_tokens_reused"] for work in first) > 0


@pytest.mark.parametrize("listened_s", [0.6, 1.0, 1.6, 2.2])
async def test_an_interrupted_reply_is_remembered_as_far_as_it_was_heard(
    copied_museum: Path, maker: UtteranceMaker, listened_s: float
) -> None:
    question = await maker.speak("how much is an adult ticket", "en-us")
    interruption = await maker.speak(INTERRUPTION, "en-us+f3")
    async with (
        museum_engine(copied_museum) as museum,
        lock_step(museum.engine, museum.handle, maker.room) as talk,
    ):
        await talk.play(question.samples)
        await talk.until(ReplyAudioStarted)
        began_s = talk.clock.now_s
        await talk.wait(listened_s)
        onset_s = talk.clock.now_s + interruption.first_speech_sample / SPEECH_RATE_HZ
        await talk.play(interruption.samples)
        finished = await talk.until(ReplyFinished)
        flushed_s = talk.told_at_s(PlaybackFlushed)[0]

        assert finished.cancelled
        assert finished.text.startswith(finished.heard_text)
        played = await museum.words(talk.heard(began_s, flushed_s), talk.sink.sample_rate_hz)
        assert abs(len(played) - len(normalise(finished.heard_text).split())) <= 1

        answer = await talk.until(ReplyFinished, 2)
        assert not answer.cancelled
        silent_s = talk.last_audible_s(began_s, talk.told_at_s(ReplyAudioStarted)[1]) - onset_s
        assert silent_s * 1000 <= CONFIRMATION_MS + 200
        assert [event.text for event in talk.events(FinalTranscript)] == [question.text, INTERRUPTION]
        remembered = await museum.handle.database.read(
            lambda tables: list(tables.query("SELECT heard_text, cancelled FROM turns ORDER BY id DESC"))
        )
        assert remembered[1] == {"heard_text": finished.heard_text, "cancelled": 1}


async def test_a_cough_does_not_interrupt(copied_museum: Path, maker: UtteranceMaker) -> None:
    async with museum_engine(copied_museum) as museum:
        finished, flushes = await _cough_during_a_reply(museum, maker)
    assert not finished.cancelled
    assert finished.heard_text == finished.text
    assert flushes == 0


async def test_a_reply_goes_on_when_what_interrupted_it_held_no_words(
    copied_museum: Path, maker: UtteranceMaker
) -> None:
    """Here the detector goes by loudness alone, so that it takes the cough for speech."""
    async with museum_engine(copied_museum, voice_activity=ScriptedVoiceActivity()) as museum:
        finished, flushes = await _cough_during_a_reply(museum, maker)
        stored = await museum.handle.database.read(
            lambda tables: list(tables.query("SELECT heard_text FROM turns ORDER BY id DESC LIMIT 1"))
        )
    assert flushes == 1, "the reply has to have been silenced"
    assert not finished.cancelled
    assert finished.heard_text == finished.text
    assert stored == [{"heard_text": finished.text}]


async def test_silence_and_stationary_noise_start_no_reply(copied_museum: Path) -> None:
    async with museum_engine(copied_museum) as museum:
        reactions = [
            await react_to(museum.engine, museum.handle, sound) for sound in synthetic_sounds(seconds=3.0)
        ]
    assert len(reactions) > 10
    assert [reaction.name for reaction in reactions if reaction.replies] == []


async def _cough_during_a_reply(museum: Museum, maker: UtteranceMaker) -> tuple[ReplyFinished, int]:
    question = await maker.speak("how much is an adult ticket", "en-us")
    async with lock_step(museum.engine, museum.handle, maker.room) as talk:
        await talk.play(question.samples)
        await talk.until(ReplyAudioStarted)
        await talk.wait(1.0)
        await talk.play(_cough())
        finished = await talk.until(ReplyFinished)
        await talk.wait(2.0)
        assert len(talk.events(ReplyStarted)) == 1
        assert [event.text for event in talk.events(FinalTranscript) if event.text] == [question.text]
        return finished, len(talk.events(PlaybackFlushed))


def _cough() -> Samples:
    """350 ms of noise around two resonances, loud at its beginning."""
    count = SPEECH_RATE_HZ * 350 // 1000
    spectrum = np.fft.rfft(np.random.default_rng(3).normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / SPEECH_RATE_HZ)
    spectrum *= np.exp(-(((frequencies - 500) / 400) ** 2)) + 0.5 * np.exp(
        -(((frequencies - 1500) / 500) ** 2)
    )
    burst = np.fft.irfft(spectrum, count) * (0.2 + np.exp(-np.arange(count) / SPEECH_RATE_HZ / 0.08))
    return np.asarray(0.4 * burst / np.max(np.abs(burst)), dtype=np.float32)
