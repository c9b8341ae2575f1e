"""Silero on ONNX Runtime says what the model of the package `silero-vad` says on torch.

The package is not imported: version 6.1, the last with the weights that faster-whisper ships, imports
torchaudio for reading files, and the published torchaudio does not load beside a torch without CUDA.
"""

from __future__ import annotations

from typing import Any

import anyio
import numpy as np
import pytest

from aura_local.adapters.silero_detector import open_adapter
from aura_local.benchmark.labelled_speech import VOICES, UtteranceMaker, open_speaker
from aura_local.ports import FRAME_SAMPLES, SPEECH_RATE_HZ, Samples
from tests.contract.models import packaged_folder, silero_context

pytestmark = [pytest.mark.torch, pytest.mark.engines, pytest.mark.starter]

TOLERANCE = 1e-3
NOISE_LEVEL = 10 ** (-40 / 20)
"""Amplitude of the loud noise (-40 dBFS), well above the room of the clean part."""
SENTENCES = (
    "Good morning, what time does the museum open?",
    "How much is an adult ticket, and is there a discount for students?",
    "The clock tower is on the second floor, next to the lift.",
)


def silence(length_s: float) -> Samples:
    return np.zeros(int(length_s * SPEECH_RATE_HZ), dtype=np.float32)


def noise(length_samples: int) -> Samples:
    generator = np.random.default_rng(11)
    return generator.normal(0.0, NOISE_LEVEL, length_samples).astype(np.float32)


@pytest.fixture(scope="module")
def frames() -> Samples:
    """Silence, three voices in a quiet room, noise alone, the voices in noise, silence: shape (n, 512)."""

    async def speak() -> Samples:
        async with open_speaker() as speaker:
            maker = UtteranceMaker(speaker)
            spoken = [await maker.speak(text, voice) for text, voice in zip(SENTENCES, VOICES, strict=False)]
        return np.concatenate([utterance.samples for utterance in spoken])

    speech = anyio.run(speak)
    noisy = speech + noise(len(speech))
    clip = np.concatenate([silence(1.0), speech, silence(0.7), noise(SPEECH_RATE_HZ), noisy, silence(1.0)])
    whole = len(clip) // FRAME_SAMPLES
    framed: Samples = clip[: whole * FRAME_SAMPLES].reshape(whole, FRAME_SAMPLES)
    return framed


@pytest.fixture
def reference() -> Any:
    """The package's own model, loaded as its `load_silero_vad()` does; it keeps context and state itself."""
    import torch

    model = torch.jit.load(str(packaged_folder("silero-vad", "silero_vad/data") / "silero_vad.jit"))
    model.eval()
    return model


def reference_probability(reference: Any, frame: Samples) -> float:
    import torch

    with torch.no_grad():
        return float(reference(torch.from_numpy(frame.copy()), SPEECH_RATE_HZ))


# torch announces the end of TorchScript, in which the package's model is written.
@pytest.mark.filterwarnings(r"ignore:`torch\.jit\.load` is deprecated:DeprecationWarning")
class TestAgainstThePackage:
    def test_every_frame_agrees(self, frames: Samples, reference: Any) -> None:
        expected = np.array([reference_probability(reference, frame) for frame in frames])
        stream = open_adapter(silero_context()).open_stream()
        ours = np.array([stream.probability(frame) for frame in frames])

        assert np.abs(ours - expected).max() < TOLERANCE
        # Speech and silence are both there, each for seconds: two constants would not pass.
        frames_per_s = SPEECH_RATE_HZ / FRAME_SAMPLES
        assert np.count_nonzero(expected > 0.9) > 5 * frames_per_s
        assert np.count_nonzero(expected < 0.1) > 2 * frames_per_s

    def test_a_reset_forgets_as_much(self, frames: Samples, reference: Any) -> None:
        """Four times one second out of the clip, each from a fresh start on both sides."""
        stream = open_adapter(silero_context()).open_stream()
        for start in range(40, 280, 60):
            reference.reset_states()
            stream.reset()
            for frame in frames[start : start + 31]:
                expected = reference_probability(reference, frame)
                assert stream.probability(frame) == pytest.approx(expected, abs=TOLERANCE)
