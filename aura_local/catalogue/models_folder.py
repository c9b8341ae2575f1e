"""The data folder's `models`: where downloads wait, and how a model gets its name, whole. Layer 2.

    NAME/                       an installed model, whole
    NAME/entry.json             its catalogue entry, where somebody brought it
    .staging/NAME/files/        files of a download that are whole and proved
    .staging/NAME/parts/        files of a download that are not
    .quarantine/NAME/           files that were not what they should be; never read again
    pins.json, licences.json    records (`records`)
    catalogue.toml              entries of the operator's own, in the format of the shipped catalogues

A process that is killed leaves something under `.staging` alone; the next download goes on with it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aura_local.errors import Busy, NotFound
from aura_local.storage.durable_files import make_private_folder, sync_file, sync_folder
from aura_local.storage.sqlite_errors import file_errors_translated

ENTRY_FILE: Final = "entry.json"
CATALOGUE_FILE: Final = "catalogue.toml"
RESERVED: Final = frozenset({CATALOGUE_FILE, "pins.json", "licences.json"})
"""Names that no model may have: records lie beside the models."""

_STAGING: Final = ".staging"
_REPLACED: Final = ".replaced"
_QUARANTINE: Final = ".quarantine"


class ModelsFolder:
    """All methods block. Those that write raise `StorageUnavailable` and `StorageFull`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def model(self, name: str) -> Path:
        """Where the model is once it is installed."""
        return self.path / name

    def files(self, name: str) -> Path:
        return self.path / _STAGING / name / "files"

    def parts(self, name: str) -> Path:
        return self.path / _STAGING / name / "parts"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder for changes, creating it where it is missing. Raises `Busy` at once."""
        lock = self.path / ".lock"
        with file_errors_translated(lock):
            make_private_folder(self.path)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Busy("Another command is changing the models: try again when it has ended.") from error
            self._sweep()
            yield
        finally:
            os.close(descriptor)

    def prepare(self, name: str) -> None:
        """Make the folders that a download or an import of `name` fills."""
        with file_errors_translated(self.path):
            make_private_folder(self.files(name))
            make_private_folder(self.parts(name))

    def discard(self, name: str) -> None:
        """Throw away what waits for `name`."""
        shutil.rmtree(self.path / _STAGING / name, ignore_errors=True)

    def install(self, name: str) -> Path:
        """Give the staged files of `name` their name, durably, instead of what has it now."""
        staged, model = self.files(name), self.model(name)
        with file_errors_translated(model):
            folders = [staged]
            for path in sorted(staged.rglob("*")):
                if path.is_dir():
                    folders.append(path)
                else:
                    sync_file(path)
            for folder in reversed(folders):
                sync_folder(folder)
            if model.exists():
                replaced = self.path / _STAGING / f"{name}{_REPLACED}"
                shutil.rmtree(replaced, ignore_errors=True)
                model.rename(replaced)
            staged.rename(model)
            sync_folder(self.path)
        self._sweep()
        self.discard(name)
        return model

    def quarantine(self, name: str, file: str, found: Path) -> Path:
        """Put a file that is not what it should be where nothing reads it; the last one of its name stays."""
        place = self.path / _QUARANTINE / name / file.replace("/", "--")
        with file_errors_translated(place):
            make_private_folder(place.parent)
            found.replace(place)
        return place

    def remove(self, name: str) -> None:
        """Remove an installed model, and what waits or is quarantined under its name. Raises `NotFound`."""
        model = self.model(name)
        if not model.is_dir():
            raise NotFound(f"The model {name} is not in {self.path}; nothing has been removed.")
        leaving = self.path / _STAGING / f"{name}{_REPLACED}"
        with file_errors_translated(model):
            make_private_folder(leaving.parent)
            shutil.rmtree(leaving, ignore_errors=True)
            # Renamed first: a model is there whole or not at all, also when this is killed.
            model.rename(leaving)
            sync_folder(self.path)
            shutil.rmtree(leaving)
        self.discard(name)
        shutil.rmtree(self.path / _QUARANTINE / name, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove models that were replaced or were being removed when a process was killed."""
        staging = self.path / _STAGING
        for left in staging.glob(f"*{_REPLACED}") if staging.is_dir() else ():
            shutil.rmtree(left, ignore_errors=True)
