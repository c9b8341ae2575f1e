"""Usage that is promised and not yet in the ledger. Layer 2."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType

import anyio

from aura_local.metering.ledger import UsageKind


class Reservation:
    """Room for one piece of work. Used as a context manager it ends with the block, cancelled or not.

    It ends once; ending it again does nothing.
    """

    def __init__(
        self, amounts: Mapping[UsageKind, int], end: Callable[[Mapping[UsageKind, int], bool], None]
    ) -> None:
        """For `Quotas.reserve` alone."""
        self.amounts = amounts
        self._end: Callable[[Mapping[UsageKind, int], bool], None] | None = end

    def settle(self) -> None:
        """What was used is in the ledger by now."""
        self._finish(settled=True)

    def release(self) -> None:
        """Nothing was used."""
        self._finish(settled=False)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Whatever ended the block, some of it may have been used and counted.
        self.settle()

    def _finish(self, *, settled: bool) -> None:
        end, self._end = self._end, None
        if end is not None:
            end(self.amounts, settled)


class Outstanding:
    """The reservations of one tenant in this process."""

    def __init__(self) -> None:
        self.turn = anyio.Lock()
        """Held while one reservation is decided."""
        self.users = 0
        """Who is waiting for a decision."""
        self._reserved: Counter[UsageKind] = Counter()
        self._settled_since: Counter[UsageKind] = Counter()

    def add(self, amounts: Mapping[UsageKind, int]) -> None:
        self._reserved.update(amounts)

    def remove(self, amounts: Mapping[UsageKind, int], settled: bool) -> None:
        self._reserved = self._reserved - Counter(amounts)
        if settled and self.users:
            self._settled_since.update(amounts)

    def begin_reading(self) -> None:
        """From now on, what is settled may or may not be in what the ledger is about to say."""
        self._settled_since.clear()

    @property
    def doubtful(self) -> bool:
        """Whether something was settled since: it is then counted here, and perhaps in the ledger too."""
        return bool(self._settled_since)

    def upper_bound(self, kind: UsageKind) -> int:
        return self._reserved[kind] + self._settled_since[kind]

    def reserved(self) -> dict[UsageKind, int]:
        return dict(self._reserved)

    @property
    def idle(self) -> bool:
        return not self.users and not self._reserved
