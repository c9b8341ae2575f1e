"""The microphone's side of PortAudio, and what is said where devices are missing."""

from __future__ import annotations

from collections.abc import Iterable

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aura_local.desktop_audio import open_devices
from aura_local.desktop_devices import DeviceChoice
from aura_local.desktop_microphone import QUEUED_BLOCKS, Microphone
from aura_local.errors import ConfigurationError, EngineUnavailable
from aura_local.ports import SPEECH_RATE_HZ, Samples


def block(value: float, length: int = 512) -> Samples:
    return np.full(length, value, np.float32)


async def recorded(microphone: Microphone, blocks: Iterable[Samples]) -> list[Samples]:
    """What a listener hears of `blocks`, which arrive one by one while it listens."""
    pieces: list[Samples] = []

    async def listen() -> None:
        async for samples in microphone:
            pieces.append(samples)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        for one in blocks:
            microphone.arrive(one)
            await anyio.lowlevel.checkpoint()
        microphone.close()
    return pieces


@pytest.mark.anyio
async def test_listening_begins_with_what_is_recorded_from_then_on() -> None:
    microphone = Microphone(SPEECH_RATE_HZ)
    microphone.arrive(block(0.1))
    pieces = await recorded(microphone, [block(0.2), block(0.3)])
    assert [round(float(piece[0]), 1) for piece in pieces] == [0.2, 0.3]


@pytest.mark.anyio
async def test_samples_are_brought_to_the_rate_of_speech() -> None:
    microphone = Microphone(48_000)
    tone = np.sin(np.arange(48_000) * (2 * np.pi * 440 / 48_000)).astype(np.float32)
    pieces = await recorded(microphone, [tone[start : start + 1536] for start in range(0, 48_000, 1536)])
    heard = np.concatenate(pieces)
    assert len(heard) == pytest.approx(SPEECH_RATE_HZ, abs=300)
    assert np.abs(np.fft.rfft(heard)).argmax() * SPEECH_RATE_HZ / len(heard) == pytest.approx(440, abs=3)
    assert microphone.lost_blocks == 0


@pytest.mark.anyio
async def test_a_program_that_is_behind_loses_blocks_and_counts_them() -> None:
    microphone = Microphone(SPEECH_RATE_HZ)
    for _ in range(QUEUED_BLOCKS + 3):
        microphone.arrive(block(0.0))
    assert microphone.lost_blocks == 3
    microphone.close()
    async for _ in microphone:
        pass


@pytest.mark.anyio
async def test_a_device_that_comes_back_may_have_another_rate() -> None:
    microphone = Microphone(SPEECH_RATE_HZ)
    microphone.source_rate_hz = 48_000
    pieces = await recorded(microphone, [block(0.1, 1536)] * 20)
    assert sum(len(piece) for piece in pieces) == pytest.approx(20 * 512, abs=512)


@pytest.mark.portaudio
@pytest.mark.anyio
async def test_a_device_that_does_not_exist_is_told() -> None:
    for choice in (DeviceChoice(microphone="no such device"), DeviceChoice(loudspeaker="no such device")):
        with pytest.raises((ConfigurationError, EngineUnavailable), match=r"--list-devices|This machine"):
            async with open_devices(choice, print):
                pass
