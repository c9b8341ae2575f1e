"""Gives memory that is free inside the process back to the system. Layer 0."""

from __future__ import annotations

import ctypes
from typing import Final

_LIBRARY: Final = "libc.so.6"
_KEPT_AT_THE_END: Final = -1
"""`M_TRIM_THRESHOLD` of malloc.h."""
_BLOCK_OF_ITS_OWN: Final = -3
"""`M_MMAP_THRESHOLD`."""
_OWN_BLOCK_BYTES: Final = 32 * 1024**2
"""The most that glibc takes; smaller ones would be mapped, and filled with zeros, anew for every use."""
_KEPT_BYTES: Final = 16 * 1024**2
"""More than an engine frees and takes again while it works."""


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


def bound_free_memory() -> None:
    """On glibc, bound what each thread's arena may keep of what was freed; for the start of a process.

    By itself glibc raises that bound to twice the largest block freed so far, up to 64 MiB for every arena,
    and trimming does not reach the end of an arena other than the first. A few documents of ten million
    characters left 30 to 50 MB so; bounded, nothing (measured). Blocks above 32 MiB are given back at once.
    """
    try:
        set_option = ctypes.CDLL(_LIBRARY).mallopt
    except (OSError, AttributeError):  # another C library
        return
    set_option(_BLOCK_OF_ITS_OWN, _OWN_BLOCK_BYTES)
    set_option(_KEPT_AT_THE_END, _KEPT_BYTES)
