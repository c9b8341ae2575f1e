"""The espeak-ng voice and the life of its worker process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import espeakng_loader
import numpy as np
import pytest

from aura_local.adapters.espeak_voice import EspeakVoice, open_adapter
from aura_local.errors import EngineUnavailable, InvalidRequest, PayloadTooLarge
from tests.contract.models import CALLER, espeak_context

pytestmark = [pytest.mark.starter, pytest.mark.anyio]

LONG = "the museum opens at nine and the last tour starts at five in the afternoon, " * 25


@pytest.fixture
def voice() -> Iterator[EspeakVoice]:
    engine = open_adapter(espeak_context())
    yield engine
    anyio.run(engine.close)


def is_alive(process_id: int) -> bool:
    """Whether the process runs; a zombie that nobody has collected yet does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def assert_ended(process_id: int) -> None:
    """Fail unless the process is gone within 5 s."""
    with anyio.fail_after(5):
        while is_alive(process_id):  # noqa: ASYNC110 - another process sets no event here
            await anyio.sleep(0.01)


async def test_voices_rates_and_pitches_differ(voice: EspeakVoice) -> None:
    slow = await voice.speak("good morning everyone", rate_wpm=120, caller=CALLER)
    fast = await voice.speak("good morning everyone", rate_wpm=240, caller=CALLER)
    assert len(slow) > 1.5 * len(fast)
    assert slow.dtype == np.float32
    other = await voice.speak("good morning everyone", voice="en-gb-x-rp+f3", rate_wpm=120, caller=CALLER)
    assert 0.7 < len(other) / len(slow) < 1.4
    assert voice.sample_rate_hz == 22_050


async def test_a_text_is_as_long_as_the_option_says() -> None:
    voice = open_adapter(espeak_context(speech_characters=12))
    try:
        assert len(await voice.speak("good morning", caller=CALLER))
        with pytest.raises(PayloadTooLarge, match="at most 12 characters"):
            await voice.speak("good mornings", caller=CALLER)
        with pytest.raises(PayloadTooLarge, match="at most 12 characters"):
            voice.stream("good mornings", caller=CALLER)
    finally:
        await voice.close()


async def test_unknown_and_impossible_voices_are_refused(voice: EspeakVoice) -> None:
    for name in ("no-such-voice", "../../etc/passwd", "", "en us"):
        with pytest.raises(InvalidRequest):
            await voice.speak("hello", voice=name, caller=CALLER)
    worker = voice.worker_process_id
    assert len(await voice.speak("hello", caller=CALLER))
    assert voice.worker_process_id == worker


async def test_a_dead_worker_is_an_error_once(voice: EspeakVoice) -> None:
    worker = voice.worker_process_id
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(EngineUnavailable) as caught:
        await voice.speak("hello", caller=CALLER)
    assert caught.value.retryable
    assert len(await voice.speak("hello", caller=CALLER))
    assert voice.worker_process_id != worker
    await assert_ended(worker)


async def test_a_sentence_cut_short_replaces_the_worker(voice: EspeakVoice) -> None:
    worker = voice.worker_process_id
    assert worker is not None
    async with voice.stream(LONG, caller=CALLER) as pieces:
        await anext(aiter(pieces))
    assert len(await voice.speak("hello", caller=CALLER)) < voice.sample_rate_hz
    assert voice.worker_process_id != worker
    await assert_ended(worker)


async def test_its_data_may_lie_at_a_path_of_any_length(tmp_path: Path) -> None:
    """espeak-ng itself takes 159 bytes, and speaks nothing beyond."""
    deep = tmp_path.joinpath(*["a folder with a long name" * 4] * 4)
    deep.mkdir(parents=True)
    data = deep / "data"
    data.symlink_to(espeakng_loader.get_data_path())
    engine = EspeakVoice(espeak_context(), espeakng_loader.get_library_path(), str(data))
    try:
        assert len(await engine.speak("hello", voice="en-gb-x-rp+f3", caller=CALLER))
    finally:
        await engine.close()


async def test_closing_ends_the_worker() -> None:
    engine = open_adapter(espeak_context())
    worker = engine.worker_process_id
    assert worker is not None
    await engine.close()
    assert engine.worker_process_id is None
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    with pytest.raises(EngineUnavailable):
        await engine.speak("hello", caller=CALLER)


def test_no_orphan_when_the_program_dies() -> None:
    code = (
        "import os; from aura_local.adapters.espeak_voice import open_adapter;"
        "from tests.contract.models import espeak_context;"
        "print(open_adapter(espeak_context()).worker_process_id, flush=True); os._exit(9)"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        worker = int(program.stdout.readline())
    assert program.returncode == 9
    anyio.run(assert_ended, worker)


async def test_a_library_that_cannot_be_loaded_is_reported() -> None:
    with pytest.raises(EngineUnavailable):
        EspeakVoice(espeak_context(), "/nonexistent/libespeak-ng.so", "/nonexistent")
