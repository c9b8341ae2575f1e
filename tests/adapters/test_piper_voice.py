"""Piper on the small voice that ships."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import numpy as np
import pytest

from aura_local.adapters.piper_voice import PiperSpeech, open_adapter
from aura_local.adapters.speech_edges import AUDIBLE_AMPLITUDE
from aura_local.errors import InvalidRequest, ModelDamaged, ModelMissing, PayloadTooLarge
from aura_local.ports import Samples
from tests.contract.models import CALLER, PIPER, context, folder_context, packaged_folder

pytestmark = [pytest.mark.engines, pytest.mark.anyio]


@pytest.fixture
def voice() -> Iterator[PiperSpeech]:
    engine = open_adapter(folder_context(PIPER))
    yield engine
    anyio.run(engine.close)


async def spoken(voice: PiperSpeech, text: str) -> list[Samples]:
    async with voice.stream(text, caller=CALLER) as pieces:
        return [piece async for piece in pieces]


async def test_speech_begins_at_once_and_without_a_click(voice: PiperSpeech) -> None:
    pieces = await spoken(voice, "Please choose a number. The office is down the stairs.")
    assert len(pieces) == 2
    first = int(np.flatnonzero(np.abs(pieces[0]) > AUDIBLE_AMPLITUDE)[0])
    assert first <= voice.sample_rate_hz * 12 // 1000
    for piece in pieces:
        assert piece[-1] == 0.0
    assert pieces[0][0] == 0.0


async def test_a_text_is_as_long_as_the_option_says() -> None:
    voice = open_adapter(folder_context(PIPER, speech_characters=12))
    try:
        assert await spoken(voice, "x" * 12)
        with pytest.raises(PayloadTooLarge, match="at most 12 characters"):
            await spoken(voice, "x" * 13)
    finally:
        await voice.close()


async def test_brackets_are_not_phonemes(voice: PiperSpeech) -> None:
    plain = np.concatenate(await spoken(voice, "see [hello] there"))
    raw = np.concatenate(await spoken(voice, "see [[hello]] there"))
    np.testing.assert_array_equal(plain, raw)


async def test_text_without_sound_is_silent(voice: PiperSpeech) -> None:
    for text in ("", "   ", "\n"):
        assert await spoken(voice, text) == []


async def test_spoken_text_is_not_logged(voice: PiperSpeech, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await spoken(voice, "a secret sentence \u4f60\u597d")
    assert not [record for record in caplog.records if record.name.startswith("piper")]


async def test_an_unknown_speaker_is_refused(voice: PiperSpeech) -> None:
    with pytest.raises(InvalidRequest, match="nobody"):
        voice.stream("hello", voice="nobody", caller=CALLER)


def test_its_espeak_data_may_lie_at_a_path_of_any_length(tmp_path: Path) -> None:
    """In a process of its own: the library's state is global, and here it has its data already."""
    deep = tmp_path.joinpath(*["a folder with a long name" * 4] * 4)
    deep.mkdir(parents=True)
    data = deep / "data"
    data.symlink_to(packaged_folder("piper-tts", "piper/espeak-ng-data"))
    code = (
        "import sys; from piper.phonemize_espeak import EspeakPhonemizer;"
        "print(len(EspeakPhonemizer(sys.argv[1]).phonemize('en-gb-x-rp', 'Hello there.')[0]) > 5)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, check=True)
    assert told.stdout == b"True\n"


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        open_adapter(context("piper-synthetic"))
    settings = tmp_path / "voice.onnx.json"
    model = tmp_path / "voice.onnx"
    model.write_bytes(b"damaged")
    settings.write_text("{}", encoding="utf-8")
    with pytest.raises(ModelDamaged, match=r"voice\.onnx\.json"):
        open_adapter(folder_context(tmp_path))
    settings.write_bytes((PIPER / "voice.onnx.json").read_bytes())
    with pytest.raises(ModelDamaged, match=r"voice\.onnx "):
        open_adapter(folder_context(tmp_path))


def test_phonemes_that_would_download_are_refused(tmp_path: Path) -> None:
    facts = json.loads((PIPER / "voice.onnx.json").read_text(encoding="utf-8"))
    (tmp_path / "voice.onnx.json").write_text(json.dumps({**facts, "phoneme_type": "pinyin"}))
    (tmp_path / "voice.onnx").write_bytes((PIPER / "voice.onnx").read_bytes())
    with pytest.raises(ModelDamaged, match="pinyin"):
        open_adapter(folder_context(tmp_path))
