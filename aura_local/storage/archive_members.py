"""The file that a tenant travels in: a zip of members that a manifest names, each with its digest. Layer 1.

Members are stored, not compressed: vectors hardly shrink, and nothing can swell when it is read. Reading
never extracts by name; a member is read because the manifest has it, and what is not in the manifest makes
the archive invalid. Blocking; callers use a thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final

import aura_local
from aura_local.errors import UnreadableInput

DATABASE_MEMBER: Final = "tenant.sqlite"
MANIFEST_MEMBER: Final = "manifest.json"
BLOB_PREFIX: Final = "blobs/"

_FORMAT: Final = "aura-local tenant archive"
_VERSION: Final = 1
_MANIFEST_LIMIT_BYTES: Final = 64 * 1024 * 1024
_MOST_MEMBERS: Final = 200_000
_CHUNK_BYTES: Final = 1024 * 1024
_NAMES: Final = re.compile(r"tenant\.sqlite|(documents|conversations|usage|audit)\.json|blobs/[0-9a-f]{64}")


class ArchiveWriter:
    """Writes members in turn, then the manifest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, strict_timestamps=False)
        self._members: list[dict[str, object]] = []

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one member."""
        digest, size_bytes = hashlib.sha256(), 0
        with self._zip.open(_info(name), "w", force_zip64=True) as member:
            for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
                member.write(chunk)
        self._members.append({"name": name, "size_bytes": size_bytes, "sha256": digest.hexdigest()})

    def finish(self, about: Mapping[str, object]) -> int:
        """Write the manifest and end the zip; the number of members before it."""
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "product_version": aura_local.__version__,
            **about,
            "members": self._members,
        }
        with self._zip.open(_info(MANIFEST_MEMBER), "w") as member:
            member.write(json.dumps(content, indent=1, ensure_ascii=False).encode())
        self._zip.close()
        return len(self._members)


class ArchiveReader:
    """The members of an archive whose table of contents has been checked."""

    def __init__(self, archive: zipfile.ZipFile, size_bytes: int) -> None:
        """For `open_archive` alone."""
        self._zip = archive
        infos = archive.infolist()
        if len(infos) > _MOST_MEMBERS or sum(info.file_size for info in infos) > size_bytes:
            raise _damaged("it claims to hold more than it can")
        if not all(map(_is_plain, infos)):
            raise _damaged("it has compressed, encrypted or linked members")
        self._infos = {info.filename: info for info in infos}
        manifest = self._infos.pop(MANIFEST_MEMBER, None)
        if manifest is None or manifest.file_size > _MANIFEST_LIMIT_BYTES:
            raise _damaged("it has no manifest")
        self._digests = self._members(json.loads(archive.read(manifest)), len(infos) - 1)

    def _members(self, manifest: dict[str, Any], count: int) -> dict[str, str]:
        if manifest["format"] != _FORMAT:
            raise _damaged("its manifest is of something else")
        if manifest["version"] != _VERSION:
            raise UnreadableInput("The archive was made by a newer version of AURA Local: update this one.")
        members = {str(entry["name"]): entry for entry in manifest["members"]}
        if not len(manifest["members"]) == len(members) == count or members.keys() != self._infos.keys():
            raise _damaged("its members are not those of its manifest")
        for name, entry in members.items():
            if _NAMES.fullmatch(name) is None or entry["size_bytes"] != self._infos[name].file_size:
                raise _damaged("it has members with other names or sizes than an archive has")
        if DATABASE_MEMBER not in members:
            raise _damaged("it has no database")
        return {name: str(entry["sha256"]) for name, entry in members.items()}

    @property
    def names(self) -> list[str]:
        """All members but the manifest."""
        return list(self._infos)

    @property
    def blobs(self) -> list[str]:
        """The SHA-256 of each blob."""
        return [name.removeprefix(BLOB_PREFIX) for name in self._infos if name.startswith(BLOB_PREFIX)]

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member. Raises UnreadableInput at the end of one that is not what it was."""
        digest = hashlib.sha256()
        with unreadable_translated(), self._zip.open(self._infos[name]) as member:
            while chunk := member.read(_CHUNK_BYTES):
                digest.update(chunk)
                yield chunk
        if digest.hexdigest() != self._digests[name]:
            raise _damaged("a member is not what the manifest says")


@contextmanager
def open_archive(source: Path) -> Iterator[ArchiveReader]:
    """Raises UnreadableInput for what is no archive, damaged, or of a newer version."""
    with ExitStack() as stack:
        with unreadable_translated():
            file = stack.enter_context(source.open("rb"))
            archive = stack.enter_context(zipfile.ZipFile(file))
            reader = ArchiveReader(archive, os.fstat(file.fileno()).st_size)
        yield reader


@contextmanager
def unreadable_translated() -> Iterator[None]:
    """What `zipfile` and `json` raise for damaged bytes, as our error."""
    try:
        yield
    except UnreadableInput:
        raise
    except OSError as error:
        raise UnreadableInput(f"The archive cannot be read: {error.strerror}.") from error
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise _damaged("it is no sound zip file") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged("its manifest is not understood") from error


def _damaged(reason: str) -> UnreadableInput:
    return UnreadableInput(f"The archive cannot be imported: {reason}. Nothing has been created.")


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    return info


def _is_plain(info: zipfile.ZipInfo) -> bool:
    mode = info.external_attr >> 16
    return (
        info.compress_type == zipfile.ZIP_STORED
        and not info.flag_bits & 0x1
        and not info.is_dir()
        and stat.S_IFMT(mode) in (0, stat.S_IFREG)
    )
