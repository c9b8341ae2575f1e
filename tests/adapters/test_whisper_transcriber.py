"""Whisper on the small model that ships: the fitted window, the retry, and nothing from the network."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from aura_local.adapters import piper_voice, whisper_transcriber
from aura_local.adapters.whisper_transcriber import open_adapter
from aura_local.adapters.whisper_window import FULL_FRAMES, LEAST_FRAMES
from aura_local.audio.resample import resample
from aura_local.errors import ModelDamaged, ModelMissing, PayloadTooLarge
from aura_local.ports import SPEECH_RATE_HZ, Samples
from tests.contract.models import CALLER, DEV_SENTENCES, PIPER, WHISPER, context, folder_context

pytestmark = [pytest.mark.engines, pytest.mark.anyio]

SENTENCES = DEV_SENTENCES.read_text(encoding="utf-8").splitlines()[:12]


async def spoken(sentences: list[str]) -> list[Samples]:
    voice = piper_voice.open_adapter(folder_context(PIPER))
    clips = []
    for sentence in sentences:
        async with voice.stream(sentence, caller=CALLER) as pieces:
            speech = np.concatenate([piece async for piece in pieces])
        quiet = np.zeros(1_600, dtype=np.float32)
        clips.append(np.concatenate([quiet, resample(speech, voice.sample_rate_hz, SPEECH_RATE_HZ), quiet]))
    await voice.close()
    return clips


async def test_fitted_window_hears_the_same_with_a_fraction_of_the_work() -> None:
    fitted = open_adapter(folder_context(WHISPER, dynamic_window=True))
    clips = await spoken(SENTENCES)
    heard = [await fitted.transcribe(clip, language="en", caller=CALLER) for clip in clips]
    right = sum(transcript.text == said for transcript, said in zip(heard, SENTENCES, strict=True))
    assert right >= len(SENTENCES) - 1
    assert all(LEAST_FRAMES <= transcript.encoder_frames < 600 for transcript in heard)
    assert all(transcript.decoded_tokens > 0 for transcript in heard)
    await fitted.close()


async def test_only_models_made_for_it_get_a_fitted_window() -> None:
    clips = await spoken(SENTENCES[:1])
    for options in ({}, {"dynamic_window": True, "fitted_window": False}):
        engine = open_adapter(folder_context(WHISPER, **options))
        heard = await engine.transcribe(clips[0], language="en", caller=CALLER)
        assert heard.text == SENTENCES[0]
        assert heard.encoder_frames == FULL_FRAMES
        await engine.close()


async def test_a_doubtful_text_is_heard_again_by_a_beam_and_with_the_full_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = open_adapter(folder_context(WHISPER, dynamic_window=True))
    monkeypatch.setattr(whisper_transcriber, "DOUBTFUL_LOG_PROBABILITY", 0.5)
    clips = await spoken(SENTENCES[:1])
    heard = await engine.transcribe(clips[0], language="en", caller=CALLER)
    assert heard.encoder_frames == LEAST_FRAMES + FULL_FRAMES
    assert heard.text == SENTENCES[0]
    early = await engine.transcribe(clips[0], language="en", caller=CALLER, partial=True)
    assert early.encoder_frames == LEAST_FRAMES
    assert early.decoded_tokens * 3 == heard.decoded_tokens
    await engine.close()


async def test_silence_and_noise_hold_no_words() -> None:
    generator = np.random.default_rng(2)
    engine = open_adapter(folder_context(WHISPER, dynamic_window=True))
    for level in (0.0, 0.001, 0.05):
        noise = (level * generator.standard_normal(2 * SPEECH_RATE_HZ)).astype(np.float32)
        heard = await engine.transcribe(noise, language="en", caller=CALLER)
        assert heard.text == ""
        assert np.isfinite(heard.average_log_probability)
    await engine.close()


async def test_speech_longer_than_the_window_is_walked_through() -> None:
    engine = open_adapter(folder_context(WHISPER, dynamic_window=True))
    long = np.concatenate(await spoken(SENTENCES[:6]))
    assert len(long) > 10 * SPEECH_RATE_HZ
    heard = await engine.transcribe(long, language="en", caller=CALLER)
    assert heard.encoder_frames >= 2 * FULL_FRAMES
    with pytest.raises(PayloadTooLarge):
        await engine.transcribe(np.zeros(61 * SPEECH_RATE_HZ, np.float32), language="en", caller=CALLER)
    await engine.close()


@pytest.mark.parametrize("name", ["tokenizer.json", "model.bin", "config.json"])
def test_a_missing_file_is_named_and_nothing_is_downloaded(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "whisper-synthetic-tiny"
    shutil.copytree(WHISPER, folder)
    (folder / name).unlink()
    with pytest.raises(ModelMissing, match=name):
        open_adapter(folder_context(folder))
    with pytest.raises(ModelMissing):
        open_adapter(context("tiny.en"))


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "whisper-synthetic-tiny"
    shutil.copytree(WHISPER, folder)
    (folder / "model.bin").write_bytes(b"damaged")
    with pytest.raises(ModelDamaged, match="whisper-synthetic-tiny"):
        open_adapter(folder_context(folder))
