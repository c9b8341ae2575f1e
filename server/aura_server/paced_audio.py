"""A reply on its way to a socket: given out in real time, silenced at once. Layer 5.

A socket has no loudspeaker to ask, so the listener's position is estimated from the client's `played`
messages and from the time in between. Audio is given out only a quarter of a second ahead of it: what has
not been given out needs no taking back when the listener interrupts.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from aura_local.errors import ProtocolViolation
from aura_local.ports import Samples
from aura_server.playback_clock import PlaybackClock
from aura_server.reply_buffer import ReplyBuffer
from aura_server.voice_encoding import encode_audio
from aura_server.wakeup import Wakeup

FRAME_MS: Final = 20
GRACE_S: Final = 1.0
"""Time for the last `played` of a reply to arrive, after its end in real time."""
KEPT_S: Final = 10.0
"""Sent audio kept for a new connection when a client says it has not heard it."""
KEPT_UNASKED_S: Final = 1.0
"""Audio kept behind where a listener should be that has said nothing yet."""
_LOOK_S: Final = 0.02


class _Reply:
    """The reply being given out."""

    __slots__ = ("acknowledged", "buffer", "flushes", "given", "heard", "id", "silenced")

    def __init__(self, reply_id: int, position: int, sample_rate_hz: int, now: float) -> None:
        self.id = reply_id
        self.buffer = ReplyBuffer(position)
        self.given = PlaybackClock(sample_rate_hz, position, now)
        """A listener in real time, whatever the client says: paces the sending."""
        self.heard = PlaybackClock(sample_rate_hz, position, now)
        """The listener as the client reports it."""
        self.acknowledged: int | None = None
        self.silenced = False
        self.flushes = 0

    def surely_heard(self, now: float) -> int:
        """Where to go on after a dropped connection: rather some samples twice than one lost."""
        return self.heard.position(now) if self.acknowledged is None else self.acknowledged


class PacedSink:
    """The `AudioSink` of one voice session; outlives its connections. One event loop, no threads."""

    def __init__(
        self,
        sample_rate_hz: int,
        *,
        announce_flush: Callable[[int, int], None],
        wakeup: Wakeup,
        lead_ms: int = 250,
        capacity_ms: int = 200,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ) -> None:
        """`announce_flush(reply_id, heard_samples)` tells the client, before anything else goes out.

        `lead_ms` is how far ahead of real time audio is given out. `capacity_ms` is what waits at most:
        little, because the session changes the loudness of what it has not handed over yet.
        """
        self._rate_hz = sample_rate_hz
        self._announce_flush = announce_flush
        self._wakeup = wakeup
        self._lead_samples = sample_rate_hz * max(lead_ms, FRAME_MS) // 1000
        self._frame_samples = sample_rate_hz * FRAME_MS // 1000
        self._capacity_samples = sample_rate_hz * capacity_ms // 1000
        self._clock = clock
        self._sleep = sleep
        self._attached = False
        self._reply: _Reply | None = None
        self._previous = (-1, 0)
        """Reply before the current one, and where it was heard to."""

    @property
    def sample_rate_hz(self) -> int:
        return self._rate_hz

    # --- the session's side: AudioSink -------------------------------------------------------------

    async def play(self, reply_id: int, first_sample: int, samples: Samples) -> None:
        """See `AudioSink.play`. Samples that come too late for a flush of their reply are dropped: those
        that waited for room, and those that do not begin where it was cut or before.
        """
        flushes = self._flushes_of(reply_id)
        while not self._has_room(reply_id, first_sample, len(samples)):
            await self._wakeup.wait()
            if self._flushes_of(reply_id) != flushes:
                return
        now = self._clock()
        reply = self._reply
        if reply is not None and reply.id == reply_id and first_sample > reply.buffer.end:
            if reply.silenced:
                return
            raise ValueError("samples of a reply follow each other without gaps")
        if reply is None or reply.id != reply_id:
            if reply is not None:
                self._previous = (reply.id, reply.heard.position(now))
            reply = self._reply = _Reply(reply_id, first_sample, self._rate_hz, now)
            if not self._attached:
                self._halt(reply, now)
        elif reply.silenced or first_sample < reply.buffer.end:
            reply.silenced = False
            reply.acknowledged = None
            reply.buffer.restart(first_sample)
            reply.given.rewind(first_sample, now)
            reply.heard.rewind(first_sample, now)
            if not self._attached:
                self._halt(reply, now)
        reply.buffer.append(samples)
        self._wakeup.call()

    async def drain(self, reply_id: int) -> int:
        """See `AudioSink.drain`. While no connection is there it waits for the next one."""
        while (reply := self._reply) is not None and reply.id == reply_id and not reply.silenced:
            if not self._attached or reply.buffer.unsent_samples:
                await self._wakeup.wait()
                continue
            now = self._clock()
            if reply.heard.position(now) >= reply.buffer.end or reply.given.idle_s(now) >= GRACE_S:
                break
            await self._sleep(_LOOK_S)
        return self.heard_samples(reply_id)

    async def flush(self, reply_id: int) -> int:
        """See `AudioSink.flush`. Does not wait for the client, which may be gone."""
        heard = self.heard_samples(reply_id)
        reply = self._reply
        if reply is not None and reply.id == reply_id:
            reply.silenced = True
            reply.flushes += 1
            reply.buffer.restart(heard)
            reply.given.rewind(heard, self._clock())
            reply.heard.rewind(heard, self._clock())
        self._announce_flush(reply_id, heard)
        self._wakeup.call()
        return heard

    # --- the connection's side ---------------------------------------------------------------------

    def attach(self) -> None:
        """A connection is there: go on from where the listener was."""
        now = self._clock()
        self._attached = True
        if self._reply is not None and not self._reply.silenced:
            self._halt(self._reply, now)
            position = self._reply.buffer.sent
            self._reply.given.rewind(position, now)
            self._reply.heard.rewind(position, now)
        self._wakeup.call()

    def detach(self) -> None:
        """The connection is gone: time stands still for the listener."""
        self._attached = False
        if self._reply is not None and not self._reply.silenced:
            self._halt(self._reply, self._clock())

    def acknowledge(self, reply_id: int, samples: int) -> None:
        """The client has played a reply up to `samples`; reports on earlier replies come late and count
        no more. Raises `ProtocolViolation` for a reply that has no audio yet."""
        reply = self._reply
        if reply is None or reply_id > reply.id:
            raise ProtocolViolation("`played` names a reply that has no audio yet.")
        if reply_id < reply.id or reply.silenced:
            return
        position = min(samples, reply.buffer.sent)
        reply.acknowledged = max(position, reply.acknowledged or 0)
        reply.heard.move(reply.acknowledged, self._clock())
        self._wakeup.call()

    def due_in_s(self) -> float | None:
        """Seconds until a frame may go out, 0 for now; None when there is nothing to send."""
        reply = self._reply
        if not self._attached or reply is None or not reply.buffer.unsent_samples:
            return None
        frame_end = reply.buffer.sent + min(self._frame_samples, reply.buffer.unsent_samples)
        ahead = frame_end - reply.given.position(self._clock())
        return max(0.0, (ahead - self._lead_samples) / self._rate_hz)

    def next_frame(self) -> bytes | None:
        """The binary frame that is due now; at most 20 ms, less only where the reply has no more yet."""
        reply = self._reply
        if reply is None or self.due_in_s() != 0.0:
            return None
        now = self._clock()
        first_sample = reply.buffer.sent
        pcm = reply.buffer.cut(self._frame_samples)
        reply.given.extend(reply.buffer.sent, now)
        reply.heard.extend(reply.buffer.sent, now)
        self._forget_heard(reply, now)
        self._wakeup.call()
        return encode_audio(reply.id, first_sample, pcm)

    def heard_samples(self, reply_id: int) -> int:
        """Position up to which a reply has been heard; 0 for one that had no audio."""
        if self._reply is not None and self._reply.id == reply_id:
            return self._reply.heard.position(self._clock())
        return self._previous[1] if self._previous[0] == reply_id else 0

    # -----------------------------------------------------------------------------------------------

    def _halt(self, reply: _Reply, now: float) -> None:
        position = reply.buffer.send_again_from(reply.surely_heard(now))
        reply.acknowledged = position if reply.acknowledged is not None else None
        for listener in (reply.given, reply.heard):
            listener.rewind(position, now)
            listener.stop(now)

    def _forget_heard(self, reply: _Reply, now: float) -> None:
        heard = reply.acknowledged
        if heard is None:
            heard = reply.heard.position(now) - int(KEPT_UNASKED_S * self._rate_hz)
        reply.buffer.forget_before(max(heard, reply.buffer.sent - int(KEPT_S * self._rate_hz)))

    def _flushes_of(self, reply_id: int) -> int:
        return self._reply.flushes if self._reply is not None and self._reply.id == reply_id else -1

    def _has_room(self, reply_id: int, first_sample: int, count: int) -> bool:
        reply = self._reply
        if reply is None or not reply.buffer.unsent_samples:
            return True
        if reply.id != reply_id:
            return False
        return (
            first_sample < reply.buffer.end or reply.buffer.unsent_samples + count <= self._capacity_samples
        )
