"""The order in which waiting work is served: by priority, round-robin by tenant inside each. Layer 0."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection
from typing import Generic, TypeVar

from aura_local.errors import LaneBusy
from aura_local.ports import Caller, Priority

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A bounded queue. Not thread-safe: its owner guards it with the lock it already has."""

    def __init__(self, name: str, limit: int) -> None:
        """`name` appears in the error of a full queue; `limit` bounds all waiting items together."""
        self._name = name
        self._limit = limit
        self._length = 0
        self._tenants: dict[Priority, OrderedDict[str, deque[T]]] = {p: OrderedDict() for p in Priority}

    def __len__(self) -> int:
        return self._length

    def push(self, caller: Caller, item: T) -> None:
        """Add an item. Raises `LaneBusy` when `limit` items wait."""
        if self._length >= self._limit:
            raise LaneBusy(f"The {self._name} engine has {self._length} jobs waiting; try again in a moment.")
        self._tenants[caller.priority].setdefault(caller.tenant_id, deque()).append(item)
        self._length += 1

    def pop(self, *, passing_over: Collection[str] = ()) -> T | None:
        """The next item, or None; none of the tenants `passing_over`, who keep their places.

        The tenant it came from goes to the end of its priority's round.
        """
        for tenants in self._tenants.values():
            tenant_id = next((tenant for tenant in tenants if tenant not in passing_over), None)
            if tenant_id is None:
                continue
            items = tenants.pop(tenant_id)
            item = items.popleft()
            if items:
                tenants[tenant_id] = items
            self._length -= 1
            return item
        return None

    def remove(self, caller: Caller, item: T) -> bool:
        """Take a waiting item out again; False when it is no longer there."""
        tenants = self._tenants[caller.priority]
        items = tenants.get(caller.tenant_id)
        if items is None or item not in items:
            return False
        items.remove(item)
        if not items:
            del tenants[caller.tenant_id]
        self._length -= 1
        return True
