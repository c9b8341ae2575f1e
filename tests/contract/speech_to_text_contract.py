"""What every `SpeechToText` must do. Subclass it in a module with `open_engine` and `clips` fixtures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aura_local.errors import InvalidRequest
from aura_local.ports import Samples, SpeechToText, Transcript

from .leaks import assert_closes_cleanly
from .models import CALLER, OTHER_CALLER

pytestmark = pytest.mark.anyio


@pytest.mark.anyio
class SpeechToTextContract:
    def test_is_a_recogniser(self, engine: SpeechToText) -> None:
        assert isinstance(engine, SpeechToText)
        assert engine.description.engine

    async def test_transcript_is_plain(self, engine: SpeechToText, clips: Sequence[Samples]) -> None:
        heard = await engine.transcribe(clips[0], language="en", caller=CALLER)
        assert isinstance(heard, Transcript)
        assert heard.text
        assert heard.text == heard.text.strip()
        assert heard.language == "en"
        assert heard.average_log_probability <= 0.0
        assert 0.0 <= heard.no_speech_probability <= 1.0

    async def test_no_speech_gives_no_text(self, engine: SpeechToText) -> None:
        for samples in (0, 800):
            silence = np.zeros(samples, dtype=np.float32)
            assert (await engine.transcribe(silence, language="en", caller=CALLER)).text == ""

    async def test_an_unknown_language_is_refused(
        self, engine: SpeechToText, clips: Sequence[Samples]
    ) -> None:
        with pytest.raises(InvalidRequest):
            await engine.transcribe(clips[0], language="tlh", caller=CALLER)

    async def test_concurrent_calls_do_not_mix(self, engine: SpeechToText, clips: Sequence[Samples]) -> None:
        alone = [(await engine.transcribe(clip, language="en", caller=CALLER)).text for clip in clips]
        together = [""] * len(clips) * 2

        async def hear(place: int) -> None:
            caller = (CALLER, OTHER_CALLER)[place % 2]
            heard = await engine.transcribe(clips[place % len(clips)], language="en", caller=caller)
            together[place] = heard.text

        async with anyio.create_task_group() as tasks:
            for place in range(len(together)):
                tasks.start_soon(hear, place)
        assert together == alone * 2
        assert len(set(alone)) == len(alone)

    async def test_cancellation_leaves_the_engine_usable(
        self, engine: SpeechToText, clips: Sequence[Samples]
    ) -> None:
        expected = await engine.transcribe(clips[0], language="en", caller=CALLER)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lambda: engine.transcribe(clips[1], language="en", caller=CALLER))
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert await engine.transcribe(clips[0], language="en", caller=CALLER) == expected

    async def test_closes_cleanly(
        self, open_engine: Callable[[], SpeechToText], clips: Sequence[Samples]
    ) -> None:
        async def use(recogniser: SpeechToText) -> None:
            await recogniser.transcribe(clips[0], language="en", caller=CALLER)

        await assert_closes_cleanly(open_engine, use)
