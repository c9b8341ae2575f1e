"""Speech of one reply between the engine and the listener: queued, sent, not yet surely heard. Layer 5."""

from __future__ import annotations

from aura_local.audio.frame import to_pcm16
from aura_local.ports import Samples

_SAMPLE_BYTES = 2


class ReplyBuffer:
    """A stretch of PCM16 with a position in its reply; `start <= sent <= end`, all in samples.

    What has been sent stays until it is surely heard, because a dropped connection may swallow it.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.sent = start
        self._pcm = bytearray()

    @property
    def end(self) -> int:
        return self.start + len(self._pcm) // _SAMPLE_BYTES

    @property
    def unsent_samples(self) -> int:
        return self.end - self.sent

    def append(self, samples: Samples) -> None:
        self._pcm += to_pcm16(samples)

    def cut(self, count: int) -> bytes:
        """The next `count` samples as PCM16; they count as sent."""
        offset = (self.sent - self.start) * _SAMPLE_BYTES
        pcm = bytes(self._pcm[offset : offset + count * _SAMPLE_BYTES])
        self.sent += len(pcm) // _SAMPLE_BYTES
        return pcm

    def forget_before(self, position: int) -> None:
        """Drop what was sent before `position`."""
        heard = min(position, self.sent) - self.start
        if heard > 0:
            del self._pcm[: heard * _SAMPLE_BYTES]
            self.start += heard

    def send_again_from(self, position: int) -> int:
        """Take back what was sent from `position` on, as far as it is still here; returns from where."""
        self.sent = min(max(position, self.start), self.sent)
        return self.sent

    def restart(self, position: int) -> None:
        """Drop everything; what comes next begins at `position`."""
        self._pcm.clear()
        self.start = self.sent = position
