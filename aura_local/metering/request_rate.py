"""A token bucket: a steady rate, and what was saved up in a pause at once. Layer 2.

A fixed window would let twice the rate through around its edge.
"""

from __future__ import annotations

from typing import Final

MINUTE_S: Final = 60.0
ROUNDING: Final = 1e-6
"""Tokens. What was saved up exactly must not be missed by the rounding of floats."""


class RequestRate:
    """The requests of one tenant. The caller's clock never needs to be right, only to go on."""

    def __init__(self) -> None:
        self._tokens: float | None = None  # None: full, whatever the rate
        self._at_s = 0.0

    def take(self, per_minute: int, at_s: float) -> float:
        """0 if one more request is allowed at `at_s` (monotonic); else the seconds until one is.

        `per_minute` may differ from call to call: the tenant's tier was changed. Infinite where it is 0.
        """
        if self._tokens is None:
            self._tokens = float(per_minute)
        else:
            gained = max(0.0, at_s - self._at_s) * per_minute / MINUTE_S
            self._tokens = min(float(per_minute), self._tokens + gained)
        self._at_s = at_s
        if self._tokens >= 1 - ROUNDING:
            self._tokens = max(0.0, self._tokens - 1)
            return 0.0
        return (1 - self._tokens) * MINUTE_S / per_minute if per_minute else float("inf")
