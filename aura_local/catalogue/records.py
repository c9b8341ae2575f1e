"""What is remembered about downloads: digests that nobody stated, and terms that were shown. Layer 2.

Each record is one JSON file, replaced whole. They outlive the models they are about: a model that is
downloaded again must be the one that was pinned.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from aura_local.errors import StorageDamaged
from aura_local.storage.durable_files import sync_folder
from aura_local.storage.sqlite_errors import file_errors_translated


class Pin(BaseModel):
    """What the first download of a file was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size_bytes: int = Field(gt=0)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    at: str
    """UTC, ISO 8601."""


class LicenceRecord(BaseModel):
    """The terms under which a model was downloaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    licence: str
    notice: str | None
    source: str
    """Repository and revision."""
    accepted: bool
    """Whether the terms had to be accepted, and were."""
    at: str


Pins: TypeAlias = Mapping[str, Pin]
"""By `repository@revision/path`: another revision is another file."""

_Record = TypeVar("_Record", Pin, LicenceRecord)


class Records:
    """The records in the folder of the models. Methods block."""

    def __init__(self, folder: Path) -> None:
        self._pins = folder / "pins.json"
        self._licences = folder / "licences.json"

    def pins(self) -> dict[str, Pin]:
        """Raises `StorageDamaged` where the file is no such record: an unreadable pin must not be re-made."""
        return _read(self._pins, TypeAdapter(dict[str, Pin]))

    def pin(self, pins: Pins) -> None:
        """Add pins; one that is there already stays."""
        if pins:
            _write(self._pins, {**pins, **self.pins()})

    def licences(self) -> dict[str, LicenceRecord]:
        return _read(self._licences, TypeAdapter(dict[str, LicenceRecord]))

    def record_licence(self, name: str, record: LicenceRecord) -> None:
        _write(self._licences, {**self.licences(), name: record})


def _read(path: Path, kind: TypeAdapter[dict[str, _Record]]) -> dict[str, _Record]:
    try:
        return kind.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise StorageDamaged(
            f"{path} is damaged: restore it from a backup, or move it away to begin a new record."
        ) from error
    except OSError as error:
        raise StorageDamaged(f"{path} cannot be read: {error.strerror}.") from error


def _write(path: Path, records: Mapping[str, Pin] | Mapping[str, LicenceRecord]) -> None:
    text = json.dumps({name: records[name].model_dump() for name in sorted(records)}, indent=1)
    new = path.with_name(f".{path.name}.new")
    with file_errors_translated(path):
        with open(new, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(path.parent)
