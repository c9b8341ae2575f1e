"""Every model that this installation knows: what ships, what is pinned, what somebody brought. Layer 2."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from aura_local.catalogue.manifest import ModelEntry, read_catalogues, shipped_catalogue_files
from aura_local.catalogue.models_folder import CATALOGUE_FILE, ENTRY_FILE
from aura_local.catalogue.records import Pins, Records
from aura_local.catalogue.sources import HubSource, ImportSource, ModelFile
from aura_local.catalogue.store import ModelStore
from aura_local.errors import StorageDamaged

log = logging.getLogger(__name__)

_ENTRY_BYTES: Final = 256 * 1024


def models_folder_of(home: Path) -> Path:
    """Where downloaded and brought models lie, in a data folder."""
    return home / "models"


def known_store(home: Path) -> ModelStore:
    """The store over `known_models`. Blocks; writes nothing, and the data folder need not exist."""
    return ModelStore(known_models(home), pulled_folder=models_folder_of(home))


def known_models(home: Path) -> tuple[ModelEntry, ...]:
    """The shipped entries and those of the operator's own catalogue, with the digests that were pinned here;
    then those of brought models, by name.

    A record or a brought model's entry that cannot be read is left out with a log line: what needs it is
    then missing or unproved, and nothing else stops. Raises ConfigurationError like `read_catalogues`.
    """
    folder = models_folder_of(home)
    own = folder / CATALOGUE_FILE
    listed = read_catalogues([*shipped_catalogue_files(), *([own] if own.is_file() else [])])
    try:
        pins: Pins = Records(folder).pins()
    except StorageDamaged:
        log.warning("record of pinned models not readable")
        pins = {}
    entries = [pinned_entry(entry, pins) for entry in listed]
    taken = {entry.name for entry in entries}
    for path in sorted(folder.glob(f"[!.]*/{ENTRY_FILE}")) if folder.is_dir() else ():
        entry = _brought(path)
        if entry is None or entry.name in taken:
            log.warning("entry of a brought model not usable", extra={"model": path.parent.name})
        else:
            entries.append(entry)
    return tuple(entries)


def pin_key(source: HubSource, file: ModelFile) -> str:
    """What a file is pinned by."""
    return f"{source.repository}@{source.revision}/{source.path_of(file)}"


def pinned_entry(entry: ModelEntry, pins: Pins) -> ModelEntry:
    """The entry with what the pins say about files whose digest nobody stated."""
    source = entry.source
    if not isinstance(source, HubSource):
        return entry
    files = []
    for file in entry.files:
        pin = None if file.digest_known else pins.get(pin_key(source, file))
        found = (
            file if pin is None else ModelFile(name=file.name, size_bytes=pin.size_bytes, sha256=pin.sha256)
        )
        files.append(found)
    return entry.model_copy(update={"files": tuple(files)})


def _brought(path: Path) -> ModelEntry | None:
    """The entry of a brought model; None where it is none, or of another folder."""
    try:
        with path.open("rb") as file:
            text = file.read(_ENTRY_BYTES)
        entry = ModelEntry.model_validate_json(text)
    except (OSError, ValidationError):
        return None
    ours = isinstance(entry.source, ImportSource) and entry.name == path.parent.name
    return entry if ours else None
