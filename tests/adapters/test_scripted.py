"""The stand-ins keep their scripts: other tests rest on them."""

from __future__ import annotations

import anyio
import numpy as np
import pytest

from aura_local.adapters.registry import GROUPS, installed_adapters
from aura_local.adapters.scripted import (
    RecordingSink,
    ScriptedEmbedder,
    ScriptedLanguageModel,
    ScriptedSpeechToText,
    ScriptedTextToSpeech,
    ScriptedVoiceActivity,
)
from aura_local.errors import EngineUnavailable
from aura_local.ports import (
    FRAME_SAMPLES,
    Conversation,
    GenerationLimits,
    GenerationUsage,
    LanguageModel,
    Message,
    SpeechToText,
    TextToSpeech,
)
from tests.contract.models import CALLER

pytestmark = pytest.mark.anyio

CONVERSATION = Conversation("one", (Message("user", "hello there"),), "hello there")


async def test_transcripts_come_in_order_and_the_last_stays() -> None:
    recogniser = ScriptedSpeechToText(["one", "two"])
    assert isinstance(recogniser, SpeechToText)
    speech = np.zeros(16_000, dtype=np.float32)
    heard = [(await recogniser.transcribe(speech, language="en", caller=CALLER)).text for _ in range(3)]
    assert heard == ["one", "two", "two"]
    assert recogniser.script.calls[0] == ("transcribe", 16_000, "en", CALLER)


async def test_a_script_can_fail_and_wait() -> None:
    recogniser = ScriptedSpeechToText(["one"])
    recogniser.script.failure = EngineUnavailable("broken")
    with pytest.raises(EngineUnavailable):
        await recogniser.transcribe(np.zeros(1, np.float32), language="en", caller=CALLER)
    recogniser.script.failure = None
    recogniser.script.hold = anyio.Event()
    texts: list[str] = []

    async def hear() -> None:
        texts.append(
            (await recogniser.transcribe(np.zeros(1, np.float32), language="en", caller=CALLER)).text
        )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hear)
        await anyio.wait_all_tasks_blocked()
        assert texts == []
        recogniser.script.hold.set()
    assert texts == ["one"]


async def test_language_model_counts_what_it_said() -> None:
    model = ScriptedLanguageModel([["It ", "opens ", "at nine."], ["Yes."]])
    assert isinstance(model, LanguageModel)
    async with model.stream(CONVERSATION, GenerationLimits(), caller=CALLER) as answer:
        pieces = [piece async for piece in answer]
        assert answer.usage == GenerationUsage(2, 0, 3)
    assert "".join(pieces) == "It opens at nine."
    async with model.stream(CONVERSATION, GenerationLimits(), caller=CALLER) as answer:
        assert model.open_streams == 1
    assert model.open_streams == 0
    assert answer.usage.generated_tokens == 0
    assert model.conversations == [CONVERSATION, CONVERSATION]


async def test_speech_is_as_long_as_its_text() -> None:
    voice = ScriptedTextToSpeech(samples_per_character=1_000)
    assert isinstance(voice, TextToSpeech)
    async with voice.stream("hello", caller=CALLER) as pieces:
        assert sum([len(piece) async for piece in pieces]) == 5_000
    async with voice.stream("never finished", caller=CALLER) as pieces:
        await anext(aiter(pieces))
    assert voice.spoken == ["hello"]
    assert voice.open_streams == 0


async def test_embedder_puts_texts_with_shared_words_near() -> None:
    vectors = await ScriptedEmbedder().embed(["the cafe is open", "is the cafe open", "no"], caller=CALLER)
    assert float(vectors[0] @ vectors[1]) == pytest.approx(1.0)
    assert float(vectors[0] @ vectors[2]) < 0.6


def test_voice_activity_by_list_and_by_energy() -> None:
    loud = np.full(FRAME_SAMPLES, 0.5, dtype=np.float32)
    listed = ScriptedVoiceActivity([0.9, 0.1]).open_stream()
    assert [listed.probability(loud) for _ in range(3)] == [0.9, 0.1, 0.0]
    measured = ScriptedVoiceActivity().open_stream()
    assert measured.probability(loud) == 1.0
    assert measured.probability(np.zeros(FRAME_SAMPLES, dtype=np.float32)) == 0.0


async def test_sink_keeps_replies_apart() -> None:
    sink = RecordingSink()
    await sink.play(1, 0, np.ones(4, dtype=np.float32))
    await sink.play(2, 0, np.zeros(3, dtype=np.float32))
    await sink.play(1, 4, np.ones(2, dtype=np.float32))
    assert len(sink.audio(1)) == 6
    assert await sink.flush(2) == 3
    sink.heard_samples = 1
    assert await sink.flush(1) == 1
    assert sink.flushed == [2, 1]


def test_stand_ins_cannot_be_picked() -> None:
    for job in GROUPS:
        assert not [name for name, point in installed_adapters(job).items() if "scripted" in point.value]
