"""What every `TurnDetector` must do. Subclass it in a module with an `open_engine` fixture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aura_local.ports import SPEECH_RATE_HZ, Transcript, TurnDetector

from .leaks import assert_closes_cleanly


async def judged(engine: TurnDetector, text: str, *, punctuated: bool = False) -> float:
    audio = np.zeros(SPEECH_RATE_HZ, dtype=np.float32)
    transcript = Transcript(text, -0.1, 0.0, "en")
    return await engine.completion(audio, transcript, punctuated=punctuated, silence_ms=200)


@pytest.mark.anyio
class TurnDetectorContract:
    def test_is_a_turn_detector(self, engine: TurnDetector) -> None:
        assert isinstance(engine, TurnDetector)
        assert engine.description.engine

    async def test_completion_is_a_probability(self, engine: TurnDetector) -> None:
        for text in ("", "yes", "where is the", "Where is the cafe?", "...", "42"):
            for punctuated in (False, True):
                value = await judged(engine, text, punctuated=punctuated)
                assert isinstance(value, float)
                assert 0.0 <= value <= 1.0

    async def test_closes_cleanly(self, open_engine: Callable[[], TurnDetector]) -> None:
        await assert_closes_cleanly(open_engine, lambda turns: judged(turns, "yes"))
