"""How long work says how far it is. Layer 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int], None]
"""Given what is done and what there is in all, in the unit that the function names. Called on the event
loop's thread; it must not block."""


def unobserved(done: int, total: int) -> None:
    """For callers who do not ask."""
