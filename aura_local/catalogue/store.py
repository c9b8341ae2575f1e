"""Finds the catalogue's models on this machine and proves their files before anything parses them. Layer 2.

A parser of weights is native code reading from a file; so a model's folder is handed out only after every
listed file had the size and the SHA-256 of the catalogue. Files that no entry lists are not looked at.
"""

from __future__ import annotations

import difflib
import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.sources import CheckoutSource, ModelFile, PackageSource
from aura_local.data_files import DataKind, data_folder
from aura_local.errors import ConfigurationError, ModelDamaged, ModelMissing

ModelState = Literal["present", "missing", "damaged"]


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """A model whose files were proved. `files` maps the catalogue's file names to paths under `folder`."""

    entry: ModelEntry
    folder: Path
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What a status page says about one entry.

    `problem` and `command` are None for a model that is present. `verified` says whether this process has
    proved all of the digests; a present model that was not asked for yet has only the right sizes.
    """

    entry: ModelEntry
    state: ModelState
    verified: bool
    problem: str | None
    command: str | None


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What changes when a file's content does, short of an attack on its clock."""

    path: Path
    size_bytes: int
    modified_ns: int
    inode: int


class ModelStore:
    """The models of a catalogue, as they are on this machine.

    All methods touch the disk and block, `verify` for as long as hashing takes (about 1 s per GB): call
    them in a worker thread. They are safe to call from several threads; a file is hashed once and again
    only after it changed. Nothing is imported, downloaded or written.

    `data_folders` replaces the folders that ship with AURA Local, `package_paths` the interpreter's
    search path for installed packages. `pulled_folder` holds what was downloaded or brought, a folder for
    each name; without one such models are not installed.
    """

    def __init__(
        self,
        entries: Iterable[ModelEntry],
        *,
        data_folders: Mapping[DataKind, Path] | None = None,
        package_paths: Iterable[Path] | None = None,
        pulled_folder: Path | None = None,
    ) -> None:
        self.entries = tuple(entries)
        self._by_name = {entry.name: entry for entry in self.entries}
        self._data_folders = data_folders
        self._pulled_folder = pulled_folder
        self._package_paths = None if package_paths is None else [str(path) for path in package_paths]
        self._digests: dict[_Stamp, str] = {}
        self._lock = threading.Lock()

    def entry(self, name: str) -> ModelEntry:
        """The entry of that name; ConfigurationError names those that exist."""
        try:
            return self._by_name[name]
        except KeyError:
            near = difflib.get_close_matches(name, self._by_name, n=5, cutoff=0.5)
            known = ", ".join(sorted(self._by_name) if len(self._by_name) <= 12 else near) or "others"
            raise ConfigurationError(
                f"no model '{name}' is in the catalogue; it lists {known} (see: aura models list)"
            ) from None

    def locate(self, entry: ModelEntry) -> Path | None:
        """The entry's folder, its files unproved; None when the model is not installed."""
        folder = self._folder(entry)
        return folder if folder is not None and folder.is_dir() else None

    def verify(self, entry: ModelEntry) -> VerifiedModel:
        """Prove size and SHA-256 of every file of the entry.

        Raises ModelMissing (nothing installed, or a file absent) and ModelDamaged (a file differs, or is
        no regular file); both name the file and the one command that mends it.
        """
        folder = self._found(entry)
        for file in entry.files:
            if self._digest(entry, file, self._stamp(entry, folder, file)) != file.sha256:
                raise _damaged(entry, file, _difference(file))
        files = {file.name: folder / file.name for file in entry.files}
        return VerifiedModel(entry, folder, MappingProxyType(files))

    def available(self) -> list[ModelStatus]:
        """The status of every entry, in the catalogue's order. Looks at sizes, hashes nothing."""
        return [self._status(entry) for entry in self.entries]

    def _status(self, entry: ModelEntry) -> ModelStatus:
        try:
            folder = self._found(entry)
            proved = [self._digests.get(self._stamp(entry, folder, file)) for file in entry.files]
            for file, digest in zip(entry.files, proved, strict=True):
                if digest is not None and digest != file.sha256:
                    raise _damaged(entry, file, _difference(file))
        except ModelMissing as error:
            command = entry.get if self.locate(entry) is None else entry.repair
            return ModelStatus(entry, "missing", False, error.message, command)
        except ModelDamaged as error:
            return ModelStatus(entry, "damaged", False, error.message, entry.repair)
        return ModelStatus(entry, "present", None not in proved, None, None)

    def _found(self, entry: ModelEntry) -> Path:
        folder = self.locate(entry)
        if folder is None:
            raise ModelMissing(
                f"the model {entry.name} ({entry.files[0].name}) is not installed; get it with: {entry.get}"
            )
        return folder

    def _folder(self, entry: ModelEntry) -> Path | None:
        source = entry.source
        if isinstance(source, PackageSource):
            distribution = self._distribution(source.distribution)
            return None if distribution is None else Path(str(distribution.locate_file(source.path)))
        if not isinstance(source, CheckoutSource):
            return None if self._pulled_folder is None else self._pulled_folder / entry.name
        kind, _, path = source.path.partition("/")
        return self._data_folder("models" if kind == "models" else "voices") / path

    def _data_folder(self, kind: DataKind) -> Path:
        return data_folder(kind) if self._data_folders is None else self._data_folders[kind]

    def _distribution(self, name: str) -> Distribution | None:
        """The installed package of that name. Reads its metadata only: importing might run anything."""
        if self._package_paths is None:
            return next(iter(distributions(name=name)), None)
        return next(iter(distributions(name=name, path=self._package_paths)), None)

    def _stamp(self, entry: ModelEntry, folder: Path, file: ModelFile) -> _Stamp:
        """The file's stamp; refuses what is absent, no regular file, or of the wrong size."""
        path = folder / file.name
        if not isinstance(entry.source, PackageSource):
            # Installers may link a package's files to their cache; elsewhere nothing has a reason to.
            for part in (path, *path.parents[: len(Path(file.name).parts)]):
                if part.is_symlink():
                    raise _damaged(entry, file, "it is reached through a symbolic link")
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ModelMissing(
                f"the model {entry.name} lacks its file {path}; get it with: {entry.repair}"
            ) from None
        except OSError as error:
            raise _damaged(entry, file, f"it cannot be read ({error.strerror})") from error
        if not stat.S_ISREG(status.st_mode):
            raise _damaged(entry, file, "it is not a regular file")
        if file.size_bytes is not None and status.st_size != file.size_bytes:
            raise _damaged(entry, file, f"it has {status.st_size} bytes instead of {file.size_bytes}")
        return _Stamp(path, status.st_size, status.st_mtime_ns, status.st_ino)

    def _digest(self, entry: ModelEntry, file: ModelFile, stamp: _Stamp) -> str:
        # One thread hashes while the others wait, so that two engines of one model read it once.
        with self._lock:
            if stamp not in self._digests:
                self._digests[stamp] = _sha256(entry, file, stamp)
            return self._digests[stamp]


def _sha256(entry: ModelEntry, file: ModelFile, stamp: _Stamp) -> str:
    try:
        with stamp.path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            after = os.fstat(content.fileno())
    except OSError as error:
        raise _damaged(entry, file, f"it cannot be read ({os.strerror(error.errno or errno.EIO)})") from error
    if _Stamp(stamp.path, after.st_size, after.st_mtime_ns, after.st_ino) != stamp:
        raise _damaged(entry, file, "it changed while it was read")
    return digest


def _difference(file: ModelFile) -> str:
    if file.digest_known:
        return "its SHA-256 differs from the catalogue's"
    return "the SHA-256 of its first download was not recorded"


def _damaged(entry: ModelEntry, file: ModelFile, reason: str) -> ModelDamaged:
    return ModelDamaged(
        f"{file.name} of the model {entry.name} is damaged: {reason}; replace it with: {entry.repair}"
    )
