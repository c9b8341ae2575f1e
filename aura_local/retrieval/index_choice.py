"""Where a tenant's vector index lives: on the disk by Chroma, or in memory alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

from aura_local.retrieval.memory_index import open_memory_index
from aura_local.retrieval.vector_index import open_index

if TYPE_CHECKING:
    from aura_local.storage.tenant_handle import ClosableIndex, TenantHandle

IndexLocation: TypeAlias = Literal["disk", "memory"]


def index_opener(location: IndexLocation) -> Callable[[TenantHandle], Awaitable[ClosableIndex]]:
    """What opens a tenant's index; both kinds answer the same."""
    return open_memory_index if location == "memory" else open_index
