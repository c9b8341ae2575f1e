"""Gives memory that is free inside the process back to the system. Layer 0."""

from __future__ import annotations

import ctypes
from typing import Final

_LIBRARY: Final = "libc.so.6"


def give_memory_back() -> None:
    """On glibc, return the free tops and pages of all arenas; elsewhere do nothing.

    Sessions come and go on many threads, each with an arena of its own, so that resident memory creeps up
    by some 34 KB a session although nothing is leaked; after trimming it is flat (measured over 256
    sessions). Takes a few milliseconds.
    """
    try:
        trim = ctypes.CDLL(_LIBRARY).malloc_trim
    except (OSError, AttributeError):  # another C library
        return
    trim(0)
