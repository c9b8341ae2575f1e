"""What every `VoiceActivityDetector` must do. Subclass it in a module with an `open_engine` fixture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aura_local.ports import FRAME_SAMPLES, Samples, VoiceActivityDetector

from .leaks import assert_closes_cleanly


def noise(seed: int, level: float = 0.1) -> Samples:
    return (np.random.default_rng(seed).standard_normal(FRAME_SAMPLES) * level).astype(np.float32)


class VoiceActivityContract:
    def test_is_a_detector(self, engine: VoiceActivityDetector) -> None:
        assert isinstance(engine, VoiceActivityDetector)
        assert engine.description.engine

    def test_probabilities_are_floats_in_range(self, engine: VoiceActivityDetector) -> None:
        stream = engine.open_stream()
        values = [stream.probability(noise(seed)) for seed in range(8)]
        assert all(isinstance(value, float) and 0.0 <= value <= 1.0 for value in values)

    def test_digital_silence_is_no_speech(self, engine: VoiceActivityDetector) -> None:
        stream = engine.open_stream()
        silence = np.zeros(FRAME_SAMPLES, dtype=np.float32)
        assert max(stream.probability(silence) for _ in range(30)) < 0.5

    def test_streams_do_not_share_state(self, engine: VoiceActivityDetector) -> None:
        frames = [noise(seed, 0.3) for seed in range(6)]
        alone = engine.open_stream()
        expected = [alone.probability(frame) for frame in frames]
        watched, other = engine.open_stream(), engine.open_stream()
        seen = []
        for place, frame in enumerate(frames):
            other.probability(noise(100 + place, 0.9))
            seen.append(watched.probability(frame))
        assert seen == pytest.approx(expected, abs=1e-6)

    def test_reset_forgets(self, engine: VoiceActivityDetector) -> None:
        stream = engine.open_stream()
        first = [stream.probability(noise(seed, 0.3)) for seed in range(5)]
        stream.reset()
        assert [stream.probability(noise(seed, 0.3)) for seed in range(5)] == pytest.approx(first, abs=1e-6)

    def test_does_not_change_the_frame(self, engine: VoiceActivityDetector) -> None:
        frame = noise(1)
        kept = frame.copy()
        engine.open_stream().probability(frame)
        np.testing.assert_array_equal(frame, kept)

    @pytest.mark.anyio
    async def test_closes_cleanly(self, open_engine: Callable[[], VoiceActivityDetector]) -> None:
        async def use(detector: VoiceActivityDetector) -> None:
            detector.open_stream().probability(noise(1))

        await assert_closes_cleanly(open_engine, use)
