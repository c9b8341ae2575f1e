"""Every recogniser that ships keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from aura_local.adapters import sphinx_transcriber, whisper_transcriber
from aura_local.ports import Samples, SpeechToText

from .models import WHISPER, folder_context, sphinx_context
from .speech_to_text_contract import SpeechToTextContract

SENTENCES = ("The office is down the stairs.", "Do you sell audio guides?")


def _whisper_full() -> SpeechToText:
    return whisper_transcriber.open_adapter(folder_context(WHISPER))


def _whisper_fitted() -> SpeechToText:
    return whisper_transcriber.open_adapter(folder_context(WHISPER, dynamic_window=True))


def _sphinx() -> SpeechToText:
    return sphinx_transcriber.open_adapter(sphinx_context())


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_whisper_full, id="whisper", marks=pytest.mark.engines),
        pytest.param(_whisper_fitted, id="whisper-fitted", marks=pytest.mark.engines),
        pytest.param(_sphinx, id="pocketsphinx", marks=[pytest.mark.engines, pytest.mark.starter]),
    ],
)
def open_engine(request: pytest.FixtureRequest) -> Callable[[], SpeechToText]:
    opener: Callable[[], SpeechToText] = request.param
    return opener


@pytest.fixture(scope="module")
def clips(say: Callable[[str], Samples]) -> Sequence[Samples]:
    return [say(sentence) for sentence in SENTENCES]


class TestSpeechToText(SpeechToTextContract):
    pass
