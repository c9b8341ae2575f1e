"""Where a listener is in a piece of audio, estimated from when it was given out. Layer 5."""

from __future__ import annotations


class PlaybackClock:
    """A player that runs in real time, stops where its audio ends and goes on when more comes."""

    def __init__(self, sample_rate_hz: int, position: int, now: float) -> None:
        self._rate_hz = sample_rate_hz
        self._position = float(position)
        self._since = now
        self._end = position
        self._running = True

    def position(self, now: float) -> int:
        """Sample that is being played, never beyond the end of what was given out."""
        elapsed_s = now - self._since if self._running else 0.0
        # The small term keeps a whole sample whole: clocks are floats.
        return int(min(self._end, self._position + elapsed_s * self._rate_hz + 1e-6))

    def extend(self, end: int, now: float) -> None:
        """Audio up to `end` has been given out."""
        self.move(self.position(now), now)
        self._end = end

    def move(self, position: int, now: float) -> None:
        """The listener is at `position`, as it says itself."""
        self._position = float(min(position, self._end))
        self._since = now

    def stop(self, now: float) -> None:
        """Nobody listens: time passes without playing."""
        self.move(self.position(now), now)
        self._running = False

    def rewind(self, position: int, now: float) -> None:
        """Start again from `position`; what was given out beyond it is void."""
        self._end = position
        self._position = float(position)
        self._since = now
        self._running = True

    def idle_s(self, now: float) -> float:
        """Seconds since the audio ran out; 0 while it plays or is stopped."""
        if not self._running:
            return 0.0
        return max(0.0, now - self._since - (self._end - self._position) / self._rate_hz)
