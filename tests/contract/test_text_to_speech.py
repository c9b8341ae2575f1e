"""Every voice that ships keeps the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aura_local.adapters import espeak_voice, piper_voice
from aura_local.ports import TextToSpeech

from .models import PIPER, espeak_context, folder_context
from .text_to_speech_contract import TextToSpeechContract


def _piper() -> TextToSpeech:
    return piper_voice.open_adapter(folder_context(PIPER))


def _espeak() -> TextToSpeech:
    return espeak_voice.open_adapter(espeak_context())


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_piper, id="piper", marks=pytest.mark.engines),
        pytest.param(_espeak, id="espeak", marks=[pytest.mark.engines, pytest.mark.starter]),
    ],
)
def open_engine(request: pytest.FixtureRequest) -> Callable[[], TextToSpeech]:
    opener: Callable[[], TextToSpeech] = request.param
    return opener


class TestTextToSpeech(TextToSpeechContract):
    pass
