"""Microphone and loudspeaker of this machine, through PortAudio; unplugged ones are waited for. Layer 5.

PortAudio calls back on a thread of its own that needs the interpreter's lock, so the callbacks only copy;
resampling and everything else happens on the event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread

from aura_local.desktop_devices import (
    AudioDevice,
    DeviceChoice,
    audio_devices,
    find_device,
    look_again,
    portaudio,
)
from aura_local.desktop_microphone import Microphone
from aura_local.desktop_playback import Loudspeaker, PlaybackQueue
from aura_local.errors import AuraError, ConfigurationError
from aura_local.ports import FRAME_SAMPLES, SPEECH_RATE_HZ

LATENCY: Final = "high"
"""PortAudio's word for what does not tear while the processor is busy answering; some 35 ms."""
LOOK_S: Final = 0.5
"""How often the devices are looked at."""
GONE_AFTER_LOOKS: Final = 4
"""A device that gave or took nothing for so long (2 s) has gone."""


@dataclass(frozen=True, slots=True)
class Devices:
    """They stay the same while the hardware behind them goes and comes back."""

    microphone: Microphone
    loudspeaker: Loudspeaker


@asynccontextmanager
async def open_devices(choice: DeviceChoice, tell: Callable[[str], None]) -> AsyncIterator[Devices]:
    """Record and play until the end of the block; `tell` is told when a device goes and when it is back.

    Raises `ModelMissing` (no PortAudio), `EngineUnavailable` (no such device), `ConfigurationError`.
    """
    known = audio_devices()
    speaker = find_device(known, "loudspeaker", choice.loudspeaker)
    devices = Devices(Microphone(), Loudspeaker(PlaybackQueue(speaker.default_rate_hz)))
    streams = _open_streams(known, choice, devices)
    keeper = _Keeper(choice.by_name(known), devices, streams, tell)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keeper.keep)
        try:
            yield devices
        finally:
            tasks.cancel_scope.cancel()
            devices.microphone.close()
            keeper.streams.close()


class _Keeper:
    """Closes streams whose device has gone, and opens them when it is back."""

    def __init__(
        self, choice: DeviceChoice, devices: Devices, streams: ExitStack, tell: Callable[[str], None]
    ) -> None:
        self.streams = streams
        self._choice = choice
        self._devices = devices
        self._tell = tell

    async def keep(self) -> None:
        while True:
            await self._until_gone()
            self._tell(
                "The microphone or the loudspeaker has gone; connect it again, the conversation goes on."
            )
            await self._until_back()
            self._tell("The devices are back.")

    async def _until_gone(self) -> None:
        seen, looks = self._signs_of_life(), 0
        while looks < GONE_AFTER_LOOKS:
            await anyio.sleep(LOOK_S)
            now = self._signs_of_life()
            alive = all(new > old for new, old in zip(now, seen, strict=True))
            looks = 0 if alive else looks + 1
            seen = now if alive else seen

    def _signs_of_life(self) -> tuple[int, int]:
        return self._devices.microphone.arrived_blocks, self._devices.loudspeaker.filled_blocks

    async def _until_back(self) -> None:
        while True:
            with anyio.CancelScope(shield=True):  # PortAudio must not be left half closed
                await anyio.to_thread.run_sync(self.streams.close)
                await anyio.to_thread.run_sync(look_again)
            try:
                self.streams = _open_streams(audio_devices(), self._choice, self._devices)
            except AuraError:
                await anyio.sleep(LOOK_S)
            else:
                return


def _open_streams(known: tuple[AudioDevice, ...], choice: DeviceChoice, devices: Devices) -> ExitStack:
    """Both streams, running; closing the stack ends them."""
    source = find_device(known, "microphone", choice.microphone)
    target = find_device(known, "loudspeaker", choice.loudspeaker)
    with ExitStack() as streams:
        streams.enter_context(_playing(target, devices.loudspeaker))
        streams.enter_context(_recording(source, devices.microphone))
        return streams.pop_all()


@contextmanager
def _recording(device: AudioDevice, microphone: Microphone) -> Iterator[None]:
    import asyncio

    sounddevice = portaudio()
    rate_hz = _input_rate_hz(sounddevice, device)
    microphone.source_rate_hz = rate_hz
    loop = asyncio.get_running_loop()

    def recorded(block: Any, _frames: int, _time: Any, _status: Any) -> None:
        loop.call_soon_threadsafe(microphone.arrive, block[:, 0].copy())

    with _translated(sounddevice, "microphone"):
        stream = sounddevice.InputStream(
            samplerate=rate_hz,
            blocksize=FRAME_SAMPLES * rate_hz // SPEECH_RATE_HZ,
            device=device.index,
            channels=1,
            dtype="float32",
            latency=LATENCY,
            callback=recorded,
        )
        stream.start()
    try:
        yield
    finally:
        _end(stream)


@contextmanager
def _playing(device: AudioDevice, loudspeaker: Loudspeaker) -> Iterator[None]:
    sounddevice = portaudio()
    with _translated(sounddevice, "loudspeaker"):
        stream = sounddevice.OutputStream(
            samplerate=loudspeaker.sample_rate_hz,
            device=device.index,
            channels=1,
            dtype="float32",
            latency=LATENCY,
            callback=partial(_fill, loudspeaker),
        )
        loudspeaker.latency_s = float(stream.latency)
        stream.start()
    try:
        yield
    finally:
        _end(stream)


def _fill(loudspeaker: Loudspeaker, block: Any, count: int, _time: Any, _status: Any) -> None:
    block[:, 0] = loudspeaker.fill(count)


def _end(stream: Any) -> None:
    """Errors are ignored: the device may have gone. Not `stop`, which waits for a device to play the rest."""
    stream.abort(ignore_errors=True)
    stream.close(ignore_errors=True)


def _input_rate_hz(sounddevice: Any, device: AudioDevice) -> int:
    """16 kHz where the device records at that rate, else its own."""
    try:
        sounddevice.check_input_settings(device.index, channels=1, dtype="float32", samplerate=SPEECH_RATE_HZ)
    except (sounddevice.PortAudioError, ValueError):
        return device.default_rate_hz
    return SPEECH_RATE_HZ


@contextmanager
def _translated(sounddevice: Any, what: str) -> Iterator[None]:
    try:
        yield
    except (sounddevice.PortAudioError, ValueError) as error:
        raise ConfigurationError(
            f"The {what} cannot be opened ({error}); `aura talk --list-devices` shows what there is."
        ) from error
