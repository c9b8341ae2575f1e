"""Every voice activity detector that ships keeps the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aura_local.adapters import scripted, silero_detector
from aura_local.ports import VoiceActivityDetector

from .models import silero_context
from .voice_activity_contract import VoiceActivityContract


def _silero() -> VoiceActivityDetector:
    return silero_detector.open_adapter(silero_context())


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(scripted.ScriptedVoiceActivity, id="scripted"),
        pytest.param(_silero, id="silero", marks=pytest.mark.engines),
    ],
)
def open_engine(request: pytest.FixtureRequest) -> Callable[[], VoiceActivityDetector]:
    opener: Callable[[], VoiceActivityDetector] = request.param
    return opener


class TestVoiceActivity(VoiceActivityContract):
    pass
