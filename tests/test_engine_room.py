"""What the settings say about an engine reaches the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.catalogue.manifest import shipped_catalogues
from aura_local.catalogue.store import ModelStore
from aura_local.engine_room import EngineRoom
from aura_local.errors import PayloadTooLarge
from aura_local.settings import EngineSettings, LimitSettings, Settings
from tests.contract.models import CALLER

pytestmark = [pytest.mark.engines, pytest.mark.anyio]


@pytest.mark.parametrize("voice", ["piper-synthetic", "espeak-ng"])
async def test_the_longest_text_of_a_voice(tmp_path: Path, voice: str) -> None:
    settings = Settings(
        home=tmp_path / "home",
        master_key_file=tmp_path / "key",
        engines=EngineSettings(text_to_speech=voice),
        limits=LimitSettings(speech_characters=100),
        profile="demo",
    )
    room = EngineRoom(settings, ModelStore(shipped_catalogues()))
    engine = room._open(room.choices["text_to_speech"])  # this one alone: all of them take seconds
    try:
        engine.stream("a" * 100, caller=CALLER)
        with pytest.raises(PayloadTooLarge, match="at most 100 characters"):
            engine.stream("a" * 101, caller=CALLER)
    finally:
        await engine.close()
