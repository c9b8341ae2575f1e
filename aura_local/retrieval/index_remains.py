"""Blanks what Chroma's index files hold besides vectors: room for vectors that are not there yet. Layer 2.

When an index is made, its files are written with room for 100 vectors, straight from memory that nobody
has cleared. Whatever the process had there before goes to the disk with it: pieces of documents were found.
The files are written anew, without spare room, only after a thousand changes.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct("<iQQQQ")
"""Of `header.bin`, as hnswlib writes it for Chroma: version, offset, room, vectors there, bytes of each."""
_VERSION: Final = 1
_LENGTH_BYTES: Final = 4
"""Of an entry in `length.bin`."""


def blank_remains(folder: Path) -> None:
    """Overwrite the unused room of every index below `folder` with zeros; durable on return.

    Harmless while the index is open: what is not there yet is never read. Files of another form than
    expected are left alone. Raises OSError.
    """
    for header in folder.glob("*/header.bin"):
        content = header.read_bytes()
        if len(content) < _HEADER.size:
            continue
        version, _, room, there, size_bytes = _HEADER.unpack_from(content)
        if version == _VERSION and there < room:
            _blank(header.with_name("data_level0.bin"), there, room, size_bytes)
            _blank(header.with_name("length.bin"), there, room, _LENGTH_BYTES)


def _blank(path: Path, there: int, room: int, size_bytes: int) -> None:
    with path.open("r+b") as file:
        if os.fstat(file.fileno()).st_size != room * size_bytes:
            return
        file.seek(there * size_bytes)
        if not any(file.read()):
            return
        file.seek(there * size_bytes)
        file.write(bytes((room - there) * size_bytes))
        file.flush()
        os.fsync(file.fileno())
