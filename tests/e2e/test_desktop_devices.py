"""`aura talk` on real audio devices: null sinks of a PulseAudio, reached by PortAudio through ALSA."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from aura_local.benchmark.labelled_speech import UtteranceMaker
from tests.e2e.command_line import AURA
from tests.e2e.product_server import Product, environment_for
from tests.support.sound_server import SoundServer, sound_server

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.devices,
    pytest.mark.portaudio,
    pytest.mark.engines,
    pytest.mark.llama,
    pytest.mark.starter,
]

PATIENCE_S = 60.0
MICROPHONE, LOUDSPEAKER = "test_microphone", "test_loudspeaker"


class Talk:
    """`aura talk`, and what it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while piece := self.process.stdout.read(1):
            self.said += piece

    def until(self, words: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while words not in self.said:
            assert time.monotonic() < deadline_s, f"{words!r} was never printed, but: {self.said}"
            assert self.process.poll() is None, self.said
            time.sleep(0.02)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE_S)
        self._reader.join()
        return code


@contextmanager
def talking(folder: Path, devices: SoundServer, *options: str, key: str | None = None) -> Iterator[Talk]:
    arguments = ("talk", "--microphone", MICROPHONE, "--loudspeaker", LOUDSPEAKER, *options)
    environment = environment_for(folder) | devices.environment
    with subprocess.Popen(
        ["env", "--default-signal=INT", *AURA, *arguments],  # a shell's background jobs ignore it
        env=environment if key is None else environment | {"AURA_KEY": key},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        talk = Talk(process)
        try:
            yield talk
        finally:
            process.kill()


@pytest.fixture
def devices() -> Iterator[SoundServer]:
    """In a folder of its own: a socket's path has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="aura-sound-") as folder, sound_server(Path(folder)) as server:
        yield server


async def test_a_question_is_answered_after_the_devices_were_unplugged_and_in_spite_of_the_echo(
    copied_museum: Path, devices: SoundServer, maker: UtteranceMaker
) -> None:
    question = await maker.speak("what time does the museum open", "en-us")
    with talking(copied_museum, devices, "--profile", "demo") as talk:
        talk.until("Speak now.")
        assert "does not listen while it speaks" not in talk.said
        for sink in ("person", "room"):
            devices.unplug(sink)
        talk.until("has gone")
        for sink in ("person", "room"):
            devices.plug(sink)
        devices.echo("-10dB")
        talk.until("are back")
        devices.say(question.samples)
        talk.until("[opening_hours.md")
        assert talk.end() == 130
    assert "You:  what time does the museum open" in talk.said
    assert talk.said.count("You:") == 1
    assert "[interrupted]" not in talk.said
    assert np.abs(devices.heard("room")).max() > 0.1


async def test_a_question_is_answered_by_a_server_and_no_data_folder_is_made_here(
    product: Product, tmp_path: Path, devices: SoundServer, maker: UtteranceMaker
) -> None:
    question = await maker.speak("what time does the museum open", "en-us")
    with talking(tmp_path, devices, "--server", product.url, key=product.key) as talk:
        talk.until("Speak now.")
        devices.echo("-10dB")
        devices.say(question.samples)
        talk.until("[opening_hours.md")
        assert talk.end() == 130
    assert "You talk with the server at 127.0.0.1." in talk.said
    assert "You:  what time does the museum open" in talk.said
    assert "[interrupted]" not in talk.said
    assert np.abs(devices.heard("room")).max() > 0.1
    assert not (tmp_path / "home").exists()
