"""What every `TextToSpeech` must do. Subclass it in a module with an `open_engine` fixture."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aura_local.errors import PayloadTooLarge
from aura_local.ports import Caller, Samples, TextToSpeech

from .leaks import assert_closes_cleanly
from .models import CALLER, OTHER_CALLER

LONG = "the museum opens at nine and the last tour starts at five in the afternoon, " * 20


def alike(first: Samples, second: Samples) -> bool:
    """Whether two recordings hold the same words: about as long, and loud and quiet at the same times.

    Not sample by sample: formant synthesisers keep oscillator phases from one sentence to the next.
    """
    if abs(len(first) - len(second)) > 0.03 * len(second):
        return False
    loudness = []
    for samples in (first, second):
        parts = np.array_split(samples, 50)
        loudness.append([float(np.sqrt(np.mean(np.square(part)))) for part in parts])
    return float(np.corrcoef(loudness[0], loudness[1])[0, 1]) > 0.9


async def spoken(engine: TextToSpeech, text: str, caller: Caller = CALLER) -> Samples:
    async with engine.stream(text, caller=caller) as pieces:
        collected = [piece async for piece in pieces]
    return np.concatenate(collected) if collected else np.zeros(0, dtype=np.float32)


@pytest.mark.anyio
class TextToSpeechContract:
    def test_is_a_voice(self, engine: TextToSpeech) -> None:
        assert isinstance(engine, TextToSpeech)
        assert 8_000 <= engine.sample_rate_hz <= 48_000

    async def test_samples_are_mono_float32_in_range(self, engine: TextToSpeech) -> None:
        async with engine.stream("Welcome to the museum.", caller=CALLER) as pieces:
            collected = [piece async for piece in pieces]
        assert collected
        for piece in collected:
            assert piece.dtype == np.float32
            assert piece.ndim == 1
            assert len(piece)
            assert np.abs(piece).max() <= 1.0
        whole = np.concatenate(collected)
        assert 0.3 < len(whole) / engine.sample_rate_hz < 5.0
        assert np.abs(whole).max() > 0.01

    async def test_nothing_to_say_is_silence(self, engine: TextToSpeech) -> None:
        assert len(await spoken(engine, "")) == 0

    async def test_longer_text_is_longer(self, engine: TextToSpeech) -> None:
        short = await spoken(engine, "Yes.")
        assert len(await spoken(engine, "The museum opens at nine in the morning.")) > 1.5 * len(short)

    async def test_concurrent_sentences_do_not_mix(self, engine: TextToSpeech) -> None:
        sentences = ["The office is down the stairs.", "Do you sell audio guides?", "Good morning."] * 2
        alone = [await spoken(engine, sentence) for sentence in sentences[:3]] * 2
        together: dict[int, Samples] = {}

        async def speak(place: int) -> None:
            together[place] = await spoken(engine, sentences[place], (CALLER, OTHER_CALLER)[place % 2])

        async with anyio.create_task_group() as tasks:
            for place in range(len(sentences)):
                tasks.start_soon(speak, place)
        for place, expected in enumerate(alone):
            assert alike(together[place], expected)
            assert not alike(together[place], alone[(place + 1) % 3])

    async def test_leaving_early_leaves_the_engine_usable(self, engine: TextToSpeech) -> None:
        expected = await spoken(engine, "Good morning.")
        async with engine.stream(LONG, caller=CALLER) as pieces:
            await anext(aiter(pieces))
        assert alike(await spoken(engine, "Good morning."), expected)

    async def test_cancellation_leaves_the_engine_usable(self, engine: TextToSpeech) -> None:
        expected = await spoken(engine, "Good morning.")
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(spoken, engine, LONG)
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert alike(await spoken(engine, "Good morning."), expected)

    async def test_too_much_text_is_refused(self, engine: TextToSpeech) -> None:
        with pytest.raises(PayloadTooLarge):
            await spoken(engine, "a" * 2_001)
        await spoken(engine, "b " * 10)

    async def test_closes_cleanly(self, open_engine: Callable[[], TextToSpeech]) -> None:
        await assert_closes_cleanly(open_engine, lambda voice: spoken(voice, "Good morning."))
