"""Encrypted files named by the SHA-256 of what is in them. Layer 1.

A blob is a header (8 bytes of magic, a version byte, 16 bytes of salt) and 64 KiB chunks, each sealed by
AES-256-GCM under a key of its own salt. The nonce counts chunks and marks the last one (the STREAM
construction, as in age), so a chunk that is missing, moved or cut off does not open.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import anyio
import anyio.to_thread
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aura_local.errors import NotFound, PayloadTooLarge, StorageDamaged, StorageFull, StorageUnavailable
from aura_local.storage.durable_files import is_full, make_private_folder, sync_folder
from aura_local.storage.keys import derive_key

T = TypeVar("T")

CHUNK_BYTES = 64 * 1024
DISK_RESERVE_BYTES = 500 * 1024 * 1024
ABANDONED_AFTER_S = 24 * 3600

_MAGIC = b"AURABLOB\x01"
_UNFINISHED = ".unfinished"
_SALT_BYTES = 16
_TAG_BYTES = 16
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BlobReceipt:
    """What has been stored durably."""

    sha256: str
    """Of the plain bytes, in lower-case hexadecimal."""
    size_bytes: int
    """Of the plain bytes."""


class BlobStore:
    """The blobs of one tenant, under a key derived from the tenant's."""

    def __init__(
        self,
        folder: Path,
        tenant_key: bytes,
        *,
        reserve_bytes: int = DISK_RESERVE_BYTES,
        limiter: anyio.CapacityLimiter | None = None,
    ) -> None:
        """`limiter` bounds the worker threads (alone: one). Touches no file."""
        self._folder = folder
        self._key = derive_key(tenant_key, "blobs")
        self._reserve_bytes = reserve_bytes
        self._limiter = limiter or anyio.CapacityLimiter(1)

    def __repr__(self) -> str:
        return f"BlobStore({str(self._folder)!r})"

    async def put(self, chunks: AsyncIterator[bytes], *, limit_bytes: int) -> BlobReceipt:
        """Store a stream; durable on return. The same bytes twice are one file.

        Raises PayloadTooLarge past `limit_bytes`, StorageFull below the disk reserve, and what `chunks`
        raises. After any failure or cancellation nothing of it is left.
        """
        draft = _Draft(self._folder, self._key, self._reserve_bytes)
        size_bytes = 0
        waiting = bytearray()
        try:
            async for chunk in chunks:
                size_bytes += len(chunk)
                if size_bytes > limit_bytes:
                    raise PayloadTooLarge(f"More than the {limit_bytes} bytes allowed.")
                waiting += chunk
                if len(waiting) > CHUNK_BYTES:
                    await self._in_thread(draft.write, bytes(waiting))
                    waiting.clear()
            return await self._in_thread(draft.finish, bytes(waiting))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._in_thread(draft.discard)
            raise

    async def read(self, sha256: str) -> bytes:
        """All plain bytes. Raises NotFound, and StorageDamaged if they are not exactly what was put."""
        return await self._in_thread(_read, self._path(sha256), self._key)

    async def delete(self, sha256: str) -> None:
        """Remove a blob, durably. Raises NotFound. The caller knows whether another document shares it."""
        await self._in_thread(_delete, self._path(sha256))

    async def settled(self) -> frozenset[str]:
        """SHA-256 of every blob that was last put a day ago or earlier: its row has come, or never will."""
        return await self._in_thread(_settled, self._folder)

    async def remove_abandoned(self) -> None:
        """Remove the unfinished files that a killed process left a day ago or earlier."""
        await self._in_thread(_remove_abandoned, self._folder)

    def _path(self, sha256: str) -> Path:
        if _NAME.fullmatch(sha256) is None:
            raise NotFound("There is no such file.")
        return self._folder / sha256[:2] / sha256

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._limiter)


class _ChunkCipher:
    """Seals or opens the chunks of one blob in order."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        self._cipher = AESGCM(derive_key(key, "blob", salt=salt))
        self._count = 0

    def seal(self, plain: bytes, *, last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(last), plain, _MAGIC)

    def open(self, sealed: bytes, *, last: bool) -> bytes:
        """Raises InvalidTag for anything but this chunk at this place."""
        return self._cipher.decrypt(self._nonce(last), sealed, _MAGIC)

    def _nonce(self, last: bool) -> bytes:
        nonce = self._count.to_bytes(11, "big") + bytes([last])
        self._count += 1
        return nonce


class _Draft:
    """A blob being written: an unfinished file that becomes visible in one rename, or vanishes.

    The lock is for a caller cancelled by asyncio itself (not by an anyio scope), whose last write may still
    be running in its thread when `discard` comes.
    """

    def __init__(self, folder: Path, key: bytes, reserve_bytes: int) -> None:
        salt = secrets.token_bytes(_SALT_BYTES)
        self._folder = folder
        self._path = folder / f"{secrets.token_hex(16)}{_UNFINISHED}"
        self._header = _MAGIC + salt
        self._cipher = _ChunkCipher(key, salt)
        self._reserve_bytes = reserve_bytes
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._waiting = bytearray()
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._over = False

    def write(self, plain: bytes) -> None:
        with self._lock, _translated():
            self._write(plain)

    def finish(self, plain: bytes) -> BlobReceipt:
        """Write the rest and make the blob durable under its name."""
        with self._lock, _translated():
            file = self._write(plain)
            file.write(self._cipher.seal(bytes(self._waiting), last=True))
            file.flush()
            os.fsync(file.fileno())
            file.close()
            receipt = BlobReceipt(self._digest.hexdigest(), self._size_bytes)
            target = self._folder / receipt.sha256[:2] / receipt.sha256
            make_private_folder(target.parent)
            # Over an existing copy too: the content is the same, and a damaged copy is healed.
            self._path.replace(target)
            sync_folder(target.parent)
            self._over = True
            return receipt

    def discard(self) -> None:
        """Remove the unfinished file; nothing if the blob is finished."""
        with self._lock:
            self._over = True
            if self._file is not None:
                # Closing flushes, which fails on a full disk: the very reason to be here.
                with suppress(OSError):
                    self._file.close()
                self._path.unlink(missing_ok=True)

    def _write(self, plain: bytes) -> BinaryIO:
        if self._over:
            raise StorageUnavailable("This upload has been given up.")
        if shutil.disk_usage(self._existing_folder()).free < self._reserve_bytes:
            raise StorageFull(f"Less than {self._reserve_bytes} bytes are free: make room on the disk.")
        if self._file is None:
            make_private_folder(self._folder)
            self._file = open(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")  # noqa: SIM115
            self._file.write(self._header)
        self._digest.update(plain)
        self._size_bytes += len(plain)
        self._waiting += plain
        # The last chunk is sealed differently, so one is held back until it is known not to be the last.
        while len(self._waiting) > CHUNK_BYTES:
            self._file.write(self._cipher.seal(bytes(self._waiting[:CHUNK_BYTES]), last=False))
            del self._waiting[:CHUNK_BYTES]
        return self._file

    def _existing_folder(self) -> Path:
        return next(folder for folder in (self._folder, *self._folder.parents) if folder.exists())


def _read(path: Path, key: bytes) -> bytes:
    with _translated():
        try:
            sealed = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound("There is no such file.") from error
    header_bytes = len(_MAGIC) + _SALT_BYTES
    body = memoryview(sealed)[header_bytes:]
    cipher = _ChunkCipher(key, sealed[len(_MAGIC) : header_bytes])
    step = CHUNK_BYTES + _TAG_BYTES
    plain = bytearray()
    try:
        if not sealed.startswith(_MAGIC) or len(body) == 0:
            raise InvalidTag
        for start in range(0, len(body), step):
            plain += cipher.open(bytes(body[start : start + step]), last=start + step >= len(body))
        if hashlib.sha256(plain).hexdigest() != path.name:
            raise InvalidTag
    except (InvalidTag, ValueError) as error:
        raise StorageDamaged(
            f"{path} is damaged or belongs to another tenant: restore it from a backup, or upload it again."
        ) from error
    return bytes(plain)


def _delete(path: Path) -> None:
    with _translated():
        try:
            path.unlink()
        except FileNotFoundError as error:
            raise NotFound("There is no such file.") from error
        sync_folder(path.parent)


def _settled(folder: Path) -> frozenset[str]:
    with _translated():
        old = (path for path in folder.glob("??/*") if time.time() - path.stat().st_mtime > ABANDONED_AFTER_S)
        return frozenset(path.name for path in old if _NAME.fullmatch(path.name))


def _remove_abandoned(folder: Path) -> None:
    with _translated():
        for path in folder.glob(f"*{_UNFINISHED}"):
            if time.time() - path.stat().st_mtime > ABANDONED_AFTER_S:
                path.unlink(missing_ok=True)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise StorageFull("There is no space left for this file.") from error
        raise StorageUnavailable(f"A stored file cannot be read or written: {error.strerror}.") from error
