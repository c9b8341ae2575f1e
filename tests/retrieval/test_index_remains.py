"""Nothing but vectors stays in Chroma's files, and blanking the rest does no harm."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aura_local.retrieval.chroma_folder import ChromaFolder
from aura_local.retrieval.index_remains import blank_remains

SECRET = b"kingfisher "


def vectors(count: int) -> NDArray[np.float32]:
    drawn = np.random.default_rng(3).standard_normal((count, 384)).astype(np.float32)
    lengths: NDArray[np.float32] = np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn / lengths


def spoil(path: Path, first_byte: int) -> None:
    """As if the memory that the file was written from had held a document."""
    size = path.stat().st_size - first_byte
    with path.open("r+b") as file:
        file.seek(first_byte)
        file.write((SECRET * (size // len(SECRET) + 1))[:size])


def test_what_memory_held_is_blanked_and_the_index_still_answers(tmp_path: Path) -> None:
    folder, known = tmp_path / "chroma", vectors(5)
    index = ChromaFolder(folder)
    index.add(range(5), known, 0)
    (data,) = folder.glob("*/data_level0.bin")
    header = data.with_name("header.bin").read_bytes()
    version, _, room, there, size_bytes = struct.unpack_from("<iQQQQ", header)
    assert (version, room * size_bytes) == (1, data.stat().st_size), "the form that is expected"
    spoil(data, there * size_bytes)
    spoil(data.with_name("length.bin"), there * 4)
    index.add([5], vectors(6)[5:], 0)
    index.mark_sound()
    assert not any(SECRET in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    spoil(data, there * size_bytes)
    index.close()
    assert SECRET not in data.read_bytes()
    again = ChromaFolder(folder)
    assert [again.query(vector, 1)[0].passage_id for vector in known] == [0, 1, 2, 3, 4]
    again.close()


@pytest.mark.parametrize("header", [b"", b"short", struct.pack("<iQQQQ", 2, 0, 100, 0, 8)])
def test_files_of_another_form_are_left_alone(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "header.bin").write_bytes(header)
    (tmp_path / "one" / "data_level0.bin").write_bytes(SECRET)
    blank_remains(tmp_path)
    assert (tmp_path / "one" / "data_level0.bin").read_bytes() == SECRET


def test_vectors_that_are_there_stay(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "header.bin").write_bytes(struct.pack("<iQQQQ", 1, 0, 4, 3, 2))
    (tmp_path / "one" / "data_level0.bin").write_bytes(b"aabbccXX")
    (tmp_path / "one" / "length.bin").write_bytes(b"1111222233334444")
    blank_remains(tmp_path)
    assert (tmp_path / "one" / "data_level0.bin").read_bytes() == b"aabbcc\0\0"
    assert (tmp_path / "one" / "length.bin").read_bytes() == b"111122223333\0\0\0\0"
