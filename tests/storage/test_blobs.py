"""A blob comes back as it was put, or not at all."""

# ruff: noqa: ASYNC240 - a test has the loop to itself
from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from aura_local.errors import NotFound, PayloadTooLarge, StorageDamaged, StorageFull
from aura_local.storage.blobs import ABANDONED_AFTER_S, CHUNK_BYTES, BlobStore

pytestmark = pytest.mark.anyio

KEY = bytes(range(32))
CANARY = b"canary-8d20ee71-in-plain-text "


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs", KEY, reserve_bytes=0)


async def stream(content: bytes, piece_bytes: int = 50_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), piece_bytes):
        yield content[start : start + piece_bytes]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def content() -> bytes:
    return CANARY * 10_000  # 293 KiB: five chunks, the last one short


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
@pytest.mark.parametrize("piece_bytes", [997, 10 * CHUNK_BYTES])
async def test_round_trip_at_the_edges_of_chunks(
    store: BlobStore, tmp_path: Path, size: int, piece_bytes: int
) -> None:
    content = os.urandom(size)
    receipt = await store.put(stream(content, piece_bytes), limit_bytes=size)
    assert receipt.size_bytes == size
    assert receipt.sha256 == hashlib.sha256(content).hexdigest()
    assert await store.read(receipt.sha256) == content
    (file,) = files(tmp_path)
    assert file == tmp_path / "blobs" / receipt.sha256[:2] / receipt.sha256
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_nothing_readable_is_on_disk(store: BlobStore, tmp_path: Path, content: bytes) -> None:
    first = await store.put(stream(content), limit_bytes=10**6)
    (file,) = files(tmp_path)
    sealed = file.read_bytes()
    assert CANARY not in sealed
    await store.delete(first.sha256)
    await store.put(stream(content), limit_bytes=10**6)
    assert file.read_bytes()[:200] != sealed[:200]  # a new salt each time: no nonce is used twice


async def test_the_same_bytes_are_one_file_and_heal_it(
    store: BlobStore, tmp_path: Path, content: bytes
) -> None:
    first = await store.put(stream(content), limit_bytes=10**6)
    (file,) = files(tmp_path)
    file.write_bytes(b"damaged")
    assert await store.put(stream(content, 7_000), limit_bytes=10**6) == first
    assert files(tmp_path) == [file]
    assert await store.read(first.sha256) == content


async def test_every_kind_of_damage_is_noticed(store: BlobStore, tmp_path: Path, content: bytes) -> None:
    receipt = await store.put(stream(content), limit_bytes=10**6)
    other = await store.put(stream(b"another"), limit_bytes=10**6)
    file = tmp_path / "blobs" / receipt.sha256[:2] / receipt.sha256
    sealed = file.read_bytes()
    header, step = 25, CHUNK_BYTES + 16
    damages = {
        "cut in a chunk": sealed[:-1],
        "cut between chunks": sealed[: header + 2 * step],
        "only the header": sealed[:header],
        "empty": b"",
        "extended": sealed + b"\0",
        "chunks swapped": sealed[:header]
        + sealed[header + step : header + 2 * step]
        + sealed[header : header + step]
        + sealed[header + 2 * step :],
        "flipped bit": sealed[:5000] + bytes([sealed[5000] ^ 1]) + sealed[5001:],
        "other version": sealed[:8] + b"\x02" + sealed[9:],
        "another blob": (tmp_path / "blobs" / other.sha256[:2] / other.sha256).read_bytes(),
    }
    for kind, damaged in damages.items():
        file.write_bytes(damaged)
        with pytest.raises(StorageDamaged):
            pytest.fail(f"{kind}: read {len(await store.read(receipt.sha256))} bytes")
    file.write_bytes(sealed)
    with pytest.raises(StorageDamaged):
        await BlobStore(tmp_path / "blobs", bytes(32)).read(receipt.sha256)
    assert await store.read(receipt.sha256) == content


async def test_a_cut_blob_cannot_pass_for_a_shorter_one(store: BlobStore, tmp_path: Path) -> None:
    content = os.urandom(3 * CHUNK_BYTES)
    long = await store.put(stream(content), limit_bytes=10**6)
    short = await store.put(stream(content[:CHUNK_BYTES]), limit_bytes=10**6)
    sealed = (tmp_path / "blobs" / long.sha256[:2] / long.sha256).read_bytes()
    (tmp_path / "blobs" / short.sha256[:2] / short.sha256).write_bytes(sealed[: 25 + CHUNK_BYTES + 16])
    with pytest.raises(StorageDamaged):
        await store.read(short.sha256)


async def test_the_limit_is_exact_and_leaves_nothing(
    store: BlobStore, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(PayloadTooLarge):
        await store.put(stream(content), limit_bytes=len(content) - 1)
    assert files(tmp_path) == []
    await store.put(stream(content), limit_bytes=len(content))


async def test_a_failing_stream_leaves_nothing(store: BlobStore, tmp_path: Path) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield bytes(3 * CHUNK_BYTES)
        assert len(files(tmp_path)) == 1  # something was on disk
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await store.put(breaks(), limit_bytes=10**6)
    assert files(tmp_path) == []


@pytest.mark.parametrize("native", [False, True], ids=["scope", "task.cancel"])
async def test_cancellation_in_mid_upload_leaves_nothing(
    store: BlobStore, tmp_path: Path, native: bool
) -> None:
    on_disk = anyio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield bytes(3 * CHUNK_BYTES)
        assert len(files(tmp_path)) == 1
        on_disk.set()
        await anyio.sleep_forever()

    async def upload() -> None:
        with scope:
            await store.put(stalls(), limit_bytes=10**6)

    scope = anyio.CancelScope()
    task = asyncio.create_task(upload())
    await on_disk.wait()
    if native:
        task.cancel()
    else:
        scope.cancel()
    await asyncio.wait([task])
    assert files(tmp_path) == []


async def test_below_the_reserve_nothing_is_written(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs", KEY, reserve_bytes=1 << 60)
    with pytest.raises(StorageFull, match="make room"):
        await store.put(stream(b"content"), limit_bytes=100)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def small_files_only() -> Iterator[None]:
    """Around single calls: it holds for the whole process, pytest's own output to a file included."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * CHUNK_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_leaves_nothing(store: BlobStore, tmp_path: Path, content: bytes) -> None:
    with small_files_only():
        with pytest.raises(StorageFull):
            await store.put(stream(content), limit_bytes=10**6)
        assert files(tmp_path) == []
        receipt = await store.put(stream(b"small"), limit_bytes=10**6)
    assert await store.read(receipt.sha256) == b"small"


async def test_unknown_and_impossible_names_are_not_found(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    for name in ("0" * 64, "../secret", "0" * 63 + "/", "A" * 64, "", "0" * 64 + "\n"):
        with pytest.raises(NotFound):
            await store.read(name)
        with pytest.raises(NotFound):
            await store.delete(name)
    receipt = await store.put(stream(b"x"), limit_bytes=1)
    await store.delete(receipt.sha256)
    with pytest.raises(NotFound):
        await store.read(receipt.sha256)


async def test_what_a_killed_process_left_goes_after_a_day(store: BlobStore, tmp_path: Path) -> None:
    receipt = await store.put(stream(b"kept"), limit_bytes=10)
    kept = tmp_path / "blobs" / receipt.sha256[:2] / receipt.sha256
    old, young = tmp_path / "blobs" / "a.unfinished", tmp_path / "blobs" / "b.unfinished"
    for path in (old, young):
        path.write_bytes(b"half")
    for path in (old, kept):
        age_s = ABANDONED_AFTER_S + 60
        os.utime(path, (path.stat().st_atime - age_s, path.stat().st_mtime - age_s))
    await store.remove_abandoned()
    assert sorted(files(tmp_path)) == sorted([young, kept])
