"""How often one may try to sign in: some failures in a window, per account and per address. Layer 2.

Asked before any password is hashed. An attempt counts from its beginning, so that many at once cannot all
pass; one that succeeds is taken back, so that an office behind one address can start its day.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aura_local.accounts.random_secrets import digest_of
from aura_local.errors import TooManyRequests

ATTEMPTS: Final = 5
WINDOW_S: Final = 15 * 60.0

REMEMBERED: Final = 20_000
"""Accounts and addresses in memory at most (some 10 MiB); beyond it those untouched longest go first."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that has been let through."""

    keys: tuple[bytes, ...]
    at_s: float


class Throttle:
    """Counts attempts on a clock that nobody can set back."""

    def __init__(
        self,
        *,
        attempts: int = ATTEMPTS,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
        remembered: int = REMEMBERED,
    ) -> None:
        self._most = attempts
        self._window_s = window_s
        self._clock = clock
        self._remembered = remembered
        # Digests, because what is typed as an account may be long, or a password in the wrong field.
        self._attempts: OrderedDict[bytes, deque[float]] = OrderedDict()

    def begin(self, account: str, address: str | None) -> Attempt:
        """Count an attempt; `address` is None where none is involved; of IPv6
        it is the network, because whoever has one address of it has all the others.

        Raises `TooManyRequests`, which says how long to wait, if account or address has used up its own;
        that counts for neither.
        """
        now_s = self._clock()
        keys = [digest_of(f"account {account}")]
        if address is not None:
            keys.append(digest_of(f"address {address}"))
        for key in keys:
            self._forget_old(key, now_s)
        wait_s = max(self._wait_s(key, now_s) for key in keys)
        if wait_s > 0:
            raise TooManyRequests(
                f"More than {self._most} failed attempts in {self._window_s / 60:g} minutes; try again in "
                f"{math.ceil(wait_s)} s.",
                retry_after_s=wait_s,
            )
        for key in keys:
            self._attempts.setdefault(key, deque()).append(now_s)
            self._attempts.move_to_end(key)
        while len(self._attempts) > self._remembered:
            self._attempts.popitem(last=False)
        return Attempt(tuple(keys), now_s)

    def take_back(self, attempt: Attempt) -> None:
        """The attempt succeeded, or was never carried out: it counts no longer."""
        for key in attempt.keys:
            times = self._attempts.get(key)
            if times is not None and attempt.at_s in times:
                times.remove(attempt.at_s)
                if not times:
                    del self._attempts[key]

    def _wait_s(self, key: bytes, now_s: float) -> float:
        """Until one more is allowed; 0 if it is now."""
        times = self._attempts.get(key, ())
        return 0.0 if len(times) < self._most else times[-self._most] + self._window_s - now_s

    def _forget_old(self, key: bytes, now_s: float) -> None:
        times = self._attempts.get(key)
        if times is None:
            return
        while times and times[0] <= now_s - self._window_s:
            times.popleft()
        if not times:
            del self._attempts[key]
