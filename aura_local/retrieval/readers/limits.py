"""What reading one document may cost, and whether its scanned pages are read too. Layer 2."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aura_local.retrieval.readers.recognition import (
    DEFAULT_RECOGNITION,
    Recognition,
    unpacked_recognition,
)

if TYPE_CHECKING:
    from aura_local.settings import DocumentSettings

_MIB: Final = 1024 * 1024
_WIRE: Final = struct.Struct("<d6Q")


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
    recognition: Recognition | None = DEFAULT_RECOGNITION
    """How scanned pages are read; None where they are not to be."""

    def packed(self) -> bytes:
        """What the worker has to know, but for `recognition`; time and memory are enforced around it."""
        return _WIRE.pack(
            self.wall_s,
            self.cpu_s,
            self.text_bytes,
            self.pages,
            self.archive_members,
            self.archive_ratio,
            self.archive_bytes,
        )


DEFAULT_LIMITS: Final = ReadingLimits()
PACKED_LIMITS_BYTES: Final = _WIRE.size


def unpacked(packed: bytes, recognition: str) -> ReadingLimits:
    """The limits from what `packed` of them and of their recognition wrote; may raise `struct.error`."""
    wall_s, cpu_s, text_bytes, pages, members, ratio, total_bytes = _WIRE.unpack(packed)
    return ReadingLimits(
        wall_s=wall_s,
        cpu_s=cpu_s,
        text_bytes=text_bytes,
        pages=pages,
        archive_members=members,
        archive_ratio=ratio,
        archive_bytes=total_bytes,
        recognition=unpacked_recognition(recognition),
    )


def reading_limits(settings: DocumentSettings) -> ReadingLimits:
    """The limits as they are configured."""
    wish = Recognition(settings.recognition_languages, settings.recognition_data)
    costs = settings.model_dump(exclude={"recognise_text", "recognition_languages", "recognition_data"})
    return ReadingLimits(**costs, recognition=wish if settings.recognise_text == "auto" else None)
