"""What the guard of `egress.py` has seen and refused in this process. Layer 0."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REMEMBERED_ATTEMPTS: Final = 100


@dataclass(frozen=True, slots=True)
class DeniedAttempt:
    """A connection or name lookup that was refused; nothing was sent."""

    operation: str
    """The audit event, e.g. `socket.connect`."""
    target: str
    """Host and port as the caller gave them."""
    purpose: str = ""
    """Of the permit that the caller held for another target; empty without one."""


@dataclass(frozen=True, slots=True)
class EgressSummary:
    """Everything counted since the process began."""

    denied: Mapping[str, int]
    """Refused attempts by purpose."""
    permitted: Mapping[str, int]
    """Connections and lookups under a permit, by its purpose."""
    local: int
    """Connections to this machine by an Internet address."""
    sockets: Mapping[str, int]
    """Sockets that Python code has made, by family, e.g. `AF_INET`."""


class EgressRecord:
    """Counts. Audit hooks run on whichever thread made the call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: deque[DeniedAttempt] = deque(maxlen=REMEMBERED_ATTEMPTS)
        self._denied: Counter[str] = Counter()
        self._permitted: Counter[str] = Counter()
        self._sockets: Counter[str] = Counter()
        self._local = 0
        self.installed = False

    def install_once(self) -> bool:
        """True for the one caller that is to install the hook."""
        with self._lock:
            first, self.installed = not self.installed, True
            return first

    def denied(self, attempt: DeniedAttempt) -> None:
        with self._lock:
            self._denied[attempt.purpose] += 1
            self._latest.append(attempt)

    def permitted(self, purpose: str) -> None:
        with self._lock:
            self._permitted[purpose] += 1

    def local(self) -> None:
        with self._lock:
            self._local += 1

    def socket(self, family: str) -> None:
        with self._lock:
            self._sockets[family] += 1

    def denied_count(self) -> int:
        with self._lock:
            return self._denied.total()

    def denied_attempts(self) -> tuple[DeniedAttempt, ...]:
        with self._lock:
            return tuple(self._latest)

    def summary(self) -> EgressSummary:
        with self._lock:
            return EgressSummary(dict(self._denied), dict(self._permitted), self._local, dict(self._sockets))
