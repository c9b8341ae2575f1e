"""Microphone and loudspeaker of this machine, through PortAudio. Layer 5.

PortAudio calls back on a thread of its own that needs the interpreter's lock, so the callbacks only copy;
resampling and everything else happens on the event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio

from aura_local.audio.resample import StreamResampler
from aura_local.desktop_playback import Loudspeaker, PlaybackQueue
from aura_local.errors import ConfigurationError, EngineUnavailable, ModelMissing
from aura_local.ports import FRAME_SAMPLES, SPEECH_RATE_HZ, Samples

INSTALL_PORTAUDIO: Final = "sudo apt-get install libportaudio2"
STALL_S: Final = 5.0
"""A microphone that gives no audio for this long has gone."""
QUEUED_BLOCKS: Final = 64
"""Blocks of the microphone that may wait (2 s)."""


@dataclass(frozen=True, slots=True)
class AudioDevice:
    index: int
    name: str
    input_channels: int
    output_channels: int
    default_rate_hz: int
    default_input: bool
    default_output: bool


def audio_devices() -> tuple[AudioDevice, ...]:
    """The devices of this machine. Raises `ModelMissing` where PortAudio is not installed."""
    sounddevice = _portaudio()
    first_input, first_output = sounddevice.default.device
    return tuple(
        AudioDevice(
            index=int(device["index"]),
            name=str(device["name"]),
            input_channels=int(device["max_input_channels"]),
            output_channels=int(device["max_output_channels"]),
            default_rate_hz=int(device["default_samplerate"]),
            default_input=device["index"] == first_input,
            default_output=device["index"] == first_output,
        )
        for device in sounddevice.query_devices()
    )


class Microphone:
    """Iterates over samples at 16 kHz as they are recorded."""

    def __init__(self, source_rate_hz: int) -> None:
        self._resampler = StreamResampler(source_rate_hz, SPEECH_RATE_HZ)
        self._send, self._receive = anyio.create_memory_object_stream[Samples](QUEUED_BLOCKS)
        self.lost_blocks = 0
        """Blocks that were dropped because the program was more than 2 s behind."""

    def arrive(self, samples: Samples) -> None:
        """Take a block, shape (n,), at the source's rate; called on the event loop."""
        try:
            self._send.send_nowait(samples)
        except anyio.WouldBlock:
            self.lost_blocks += 1

    def close(self) -> None:
        """End the iteration after what has arrived."""
        self._send.close()

    async def __aiter__(self) -> AsyncIterator[Samples]:
        """Begins with what is recorded from now on. Raises `EngineUnavailable` when nothing comes for 5 s."""
        with self._receive:
            while self._receive.statistics().current_buffer_used:
                self._receive.receive_nowait()
            while True:
                try:
                    with anyio.fail_after(STALL_S):
                        samples = await self._receive.receive()
                except TimeoutError as error:
                    raise EngineUnavailable(
                        "The microphone records nothing; is it still connected?"
                    ) from error
                except anyio.EndOfStream:
                    return
                yield self._resampler.push(samples)


@asynccontextmanager
async def open_microphone(device: int | None) -> AsyncIterator[Microphone]:
    """Record from `device`; None is the system's default.

    Raises `ModelMissing` (no PortAudio), `EngineUnavailable` (no such device), `ConfigurationError`.
    """
    import asyncio

    sounddevice = _portaudio()
    _require_default(sounddevice, device, 0, "microphone")
    rate_hz = _input_rate_hz(sounddevice, device)
    microphone = Microphone(rate_hz)
    loop = asyncio.get_running_loop()

    def recorded(block: Any, _frames: int, _time: Any, _status: Any) -> None:
        loop.call_soon_threadsafe(microphone.arrive, block[:, 0].copy())

    with _translated(sounddevice, "microphone"):
        stream = sounddevice.InputStream(
            samplerate=rate_hz,
            blocksize=FRAME_SAMPLES * rate_hz // SPEECH_RATE_HZ,
            device=device,
            channels=1,
            dtype="float32",
            latency="low",
            callback=recorded,
        )
    with stream:
        try:
            yield microphone
        finally:
            microphone.close()


@contextmanager
def open_loudspeaker(device: int | None) -> Iterator[Loudspeaker]:
    """Play through `device`; None is the system's default. Raises as `open_microphone`."""
    sounddevice = _portaudio()
    _require_default(sounddevice, device, 1, "loudspeaker")
    with _translated(sounddevice, "loudspeaker"):
        rate_hz = int(sounddevice.query_devices(device, "output")["default_samplerate"])
        loudspeaker = Loudspeaker(PlaybackQueue(rate_hz))
        stream = sounddevice.OutputStream(
            samplerate=rate_hz,
            device=device,
            channels=1,
            dtype="float32",
            latency="low",
            callback=partial(_fill, loudspeaker),
        )
    loudspeaker.latency_s = float(stream.latency)
    with stream:
        yield loudspeaker


def _fill(loudspeaker: Loudspeaker, block: Any, count: int, _time: Any, _status: Any) -> None:
    block[:, 0] = loudspeaker.fill(count)


def _require_default(sounddevice: Any, device: int | None, place: int, what: str) -> None:
    if device is None and sounddevice.default.device[place] < 0:
        raise EngineUnavailable(f"This machine has no {what}, or lends it to no program.")


def _input_rate_hz(sounddevice: Any, device: int | None) -> int:
    """16 kHz where the device records at that rate, else its own."""
    with _translated(sounddevice, "microphone"):
        own_hz = int(sounddevice.query_devices(device, "input")["default_samplerate"])
    try:
        sounddevice.check_input_settings(device, channels=1, dtype="float32", samplerate=SPEECH_RATE_HZ)
    except sounddevice.PortAudioError:
        return own_hz
    return SPEECH_RATE_HZ


@contextmanager
def _translated(sounddevice: Any, what: str) -> Iterator[None]:
    try:
        yield
    except (sounddevice.PortAudioError, ValueError) as error:
        raise ConfigurationError(
            f"The {what} cannot be opened ({error}); `aura talk --list-devices` shows what there is."
        ) from error


def _portaudio() -> Any:
    try:
        import sounddevice
    except OSError as error:  # sounddevice raises it while it looks for the library
        raise ModelMissing(
            "The system library PortAudio (package libportaudio2) is missing; "
            f"get it with: {INSTALL_PORTAUDIO}",
            code="system_package_missing",
        ) from error
    return sounddevice
