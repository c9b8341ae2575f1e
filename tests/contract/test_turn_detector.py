"""Every turn detector that ships keeps the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aura_local.adapters import scripted, silence_turns
from aura_local.ports import TurnDetector

from .models import context
from .turn_detector_contract import TurnDetectorContract


def _silence() -> TurnDetector:
    return silence_turns.open_adapter(context("silence"))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(scripted.ScriptedTurns, id="scripted"),
        pytest.param(_silence, id="silence"),
    ],
)
def open_engine(request: pytest.FixtureRequest) -> Callable[[], TurnDetector]:
    opener: Callable[[], TurnDetector] = request.param
    return opener


class TestTurnDetector(TurnDetectorContract):
    pass
