"""Silero frame by frame equals the reference that sees the whole clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aura_local.adapters.silero_detector import MODEL_FILE, open_adapter
from aura_local.errors import ModelDamaged, ModelMissing
from aura_local.ports import FRAME_SAMPLES
from tests.contract.models import context, silero_context

pytestmark = pytest.mark.engines


def test_matches_the_reference_on_a_clip_with_speech_like_sound() -> None:
    from faster_whisper.vad import SileroVADModel

    generator = np.random.default_rng(4)
    times = np.arange(FRAME_SAMPLES * 60) / 16_000
    voiced = sum(np.sin(2 * np.pi * 140 * harmonic * times) / harmonic for harmonic in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 4 * times), 0, 1) * (times > 0.5) * (times < 1.5)
    clip = (0.2 * voiced * syllables + 0.003 * generator.standard_normal(len(times))).astype(np.float32)

    stream = open_adapter(silero_context()).open_stream()
    streamed = [stream.probability(frame) for frame in clip.reshape(-1, FRAME_SAMPLES)]
    reference = SileroVADModel(str(silero_context().file(MODEL_FILE)))(clip).reshape(-1)
    # The reference clears the end of the last frame by way of a numpy view, so that one differs.
    np.testing.assert_allclose(streamed[:-1], reference[:-1], atol=1e-5)
    assert max(streamed) > 0.5 > min(streamed)


def test_a_missing_or_damaged_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        open_adapter(context("silero"))
    damaged = tmp_path / MODEL_FILE
    damaged.write_bytes(b"not a model")
    with pytest.raises(ModelDamaged, match=MODEL_FILE):
        open_adapter(context("silero", {MODEL_FILE: damaged}))


def test_a_frame_of_the_wrong_size_is_a_defect() -> None:
    with pytest.raises(ValueError, match="512"):
        open_adapter(silero_context()).open_stream().probability(np.zeros(480, dtype=np.float32))
