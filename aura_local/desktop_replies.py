"""A server's replies on this machine's loudspeaker: each sample once, and how far it was heard. Layer 5."""

from __future__ import annotations

from typing import Protocol

from aura_local.desktop_wire import ReplyAudio
from aura_local.ports import AudioSink


class PlayedSink(AudioSink, Protocol):
    """A sink that knows how far a reply was heard."""

    def heard(self, reply_id: int) -> int:
        """Position up to which the reply that plays now has left the loudspeaker."""
        ...


class Replies:
    """Plays what comes; replies are numbered as the server does, on through its sessions for the sink."""

    def __init__(self, sink: PlayedSink) -> None:
        self._sink = sink
        self._numbers_from = 0
        """Added to the server's numbers, which begin again with a new session."""
        self._reply: int | None = None
        self._end = 0
        """Position after what the sink was given of the reply; 0 after a flush."""

    async def play(self, audio: ReplyAudio) -> None:
        """Waits while the sink is full. Raises `EngineUnavailable` when it takes no more."""
        reply_id = self._numbers_from + audio.reply_id
        if reply_id != self._reply:
            self._reply, self._end = reply_id, 0
        known = max(0, self._end - audio.first_sample)  # sent again after a dropped connection
        samples = audio.samples[known:]
        if len(samples):
            self._end = audio.first_sample + known + len(samples)
            await self._sink.play(reply_id, audio.first_sample + known, samples)

    async def flush(self, reply_id: int) -> None:
        """Be silent about a reply; it may go on later, from any position."""
        await self._sink.flush(self._numbers_from + reply_id)
        self._end = 0

    async def begin_again(self) -> None:
        """A new session: what is left of the old one is not played, and its numbers are used up."""
        if self._reply is not None:
            await self._sink.flush(self._reply)
            self._numbers_from, self._reply = self._reply + 1, None

    def heard(self) -> tuple[int, int] | None:
        """The latest reply, as the server numbers it, and how far it was heard; None before the first."""
        if self._reply is None:
            return None
        return self._reply - self._numbers_from, self._sink.heard(self._reply)
