"""What reading one document may cost. Layer 2."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aura_local.settings import DocumentSettings

_MIB: Final = 1024 * 1024
_WIRE: Final = struct.Struct("<5Q")


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """The bounds of one file's worker. Their defaults are those of the settings `documents.*`."""

    wall_s: float = 60.0
    """From the start of its worker to the last byte of its text."""
    cpu_s: int = 30
    memory_bytes: int = 512 * _MIB
    text_bytes: int = 20 * _MIB
    """UTF-8, all blocks together."""
    pages: int = 2_000
    archive_members: int = 2_000
    archive_ratio: int = 100
    """Expanded bytes per byte stored."""
    archive_bytes: int = 200 * _MIB
    """Expanded, all members together."""
    sentences: int = 60_000
    """Sentences, list items and table rows; held against what was read, by whoever cuts it."""

    def packed(self) -> bytes:
        """What the worker has to know; time and memory are enforced around it."""
        return _WIRE.pack(
            self.text_bytes,
            self.pages,
            self.archive_members,
            self.archive_ratio,
            self.archive_bytes,
        )


DEFAULT_LIMITS: Final = ReadingLimits()
PACKED_LIMITS_BYTES: Final = _WIRE.size


def unpacked(packed: bytes) -> ReadingLimits:
    """The limits that `ReadingLimits.packed` wrote; raises `struct.error` for any other length."""
    text_bytes, pages, members, ratio, total_bytes = _WIRE.unpack(packed)
    return ReadingLimits(
        text_bytes=text_bytes,
        pages=pages,
        archive_members=members,
        archive_ratio=ratio,
        archive_bytes=total_bytes,
    )


def reading_limits(settings: DocumentSettings) -> ReadingLimits:
    """The limits as they are configured."""
    return ReadingLimits(**settings.model_dump())
