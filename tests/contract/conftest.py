"""What the contract suites share: the engine under test, and speech to try it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anyio
import numpy as np
import pytest

from aura_local.audio.resample import resample
from aura_local.ports import SPEECH_RATE_HZ, Samples

from .models import CALLER, PIPER, folder_context


@pytest.fixture(scope="module")
def engine(open_engine: Callable[[], Any]) -> Iterator[Any]:
    """One engine for all tests of a module; `open_engine` is the module's own fixture."""
    opened = open_engine()
    yield opened
    anyio.run(opened.close)


@pytest.fixture(scope="session")
def say() -> Callable[[str], Samples]:
    """Speech at 16 kHz by the small Piper voice, with the silence around it that a speech gate leaves."""

    def speak(text: str) -> Samples:
        from aura_local.adapters import piper_voice

        async def collect() -> Samples:
            voice = piper_voice.open_adapter(folder_context(PIPER))
            async with voice.stream(text, caller=CALLER) as pieces:
                spoken = np.concatenate([piece async for piece in pieces])
            await voice.close()
            return resample(spoken, voice.sample_rate_hz, SPEECH_RATE_HZ)

        lead, tail = np.zeros(3_200, dtype=np.float32), np.zeros(1_600, dtype=np.float32)
        return np.concatenate([lead, anyio.run(collect), tail])

    return speak
