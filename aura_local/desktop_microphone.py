"""What the microphone records: a queue between the audio thread's blocks and whoever listens. Layer 5."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import anyio

from aura_local.audio.resample import StreamResampler
from aura_local.ports import SPEECH_RATE_HZ, Samples

QUEUED_BLOCKS: Final = 64
"""Blocks of the microphone that may wait (2 s)."""


class Microphone:
    """Iterates over samples at 16 kHz as they are recorded; waits while the device is away."""

    def __init__(self, source_rate_hz: int = SPEECH_RATE_HZ) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[Samples](QUEUED_BLOCKS)
        self.source_rate_hz = source_rate_hz
        self.arrived_blocks = 0
        self.lost_blocks = 0
        """Blocks that were dropped because the program was more than 2 s behind."""

    @property
    def source_rate_hz(self) -> int:
        """The rate of what arrives; a device that comes back may have another."""
        return self._source_rate_hz

    @source_rate_hz.setter
    def source_rate_hz(self, rate_hz: int) -> None:
        self._source_rate_hz = rate_hz
        self._resampler = StreamResampler(rate_hz, SPEECH_RATE_HZ)

    def arrive(self, samples: Samples) -> None:
        """Take a block, shape (n,), at the source's rate; called on the event loop."""
        self.arrived_blocks += 1
        try:
            self._send.send_nowait(samples)
        except anyio.WouldBlock:
            self.lost_blocks += 1
        except anyio.ClosedResourceError:
            pass  # the audio thread's last block comes after the end

    def close(self) -> None:
        """End the iteration after what has arrived."""
        self._send.close()

    async def __aiter__(self) -> AsyncIterator[Samples]:
        """Begins with what is recorded from now on."""
        with self._receive:
            while self._receive.statistics().current_buffer_used:
                self._receive.receive_nowait()
            async for samples in self._receive:
                yield self._resampler.push(samples)
