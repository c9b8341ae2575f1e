"""Enter toggles the microphone."""

from __future__ import annotations

import os

import pytest

from aura_local.commands.push_to_talk import follow_keys
from aura_local.desktop_ears import PushToTalk


@pytest.mark.anyio
@pytest.mark.parametrize(("typed", "talking"), [(b"\n", True), (b"a\nb\n", False), (b"", False)])
async def test_every_line_toggles_until_the_keyboards_end(typed: bytes, talking: bool) -> None:
    reading, writing = os.pipe()
    os.write(writing, typed)
    os.close(writing)
    ear = PushToTalk(lambda samples: samples)
    await follow_keys(ear, reading)
    os.close(reading)
    assert ear.talking is talking
