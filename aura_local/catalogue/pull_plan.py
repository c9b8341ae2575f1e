"""What a download will fetch, whether there is room for it, and whether it may. Layer 2."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from aura_local.catalogue.file_download import UNKNOWN_LIMIT_BYTES
from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.models_folder import ModelsFolder
from aura_local.catalogue.sources import HubSource, ModelFile
from aura_local.errors import InvalidRequest, ModelMissing, StorageFull

FreeBytes: TypeAlias = Callable[[Path], int]

_MB = 1_000_000


def free_bytes(folder: Path) -> int:
    """Free space where `folder` is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class PullPlan:
    """The entries to download, and how much of them is not here yet."""

    entries: tuple[ModelEntry, ...]
    missing_bytes: int


def plan_pull(entries: Sequence[ModelEntry], folder: ModelsFolder, *, licences_accepted: bool) -> PullPlan:
    """The plan for `entries`, none of which is installed and whole.

    Raises `ModelMissing` for an entry that no engine here can use, `InvalidRequest` for one that does not
    come from a hub, and with the code `licence_not_accepted` for terms that have to be accepted.
    """
    for entry in entries:
        if entry.waits_for is not None:
            raise ModelMissing(f"{entry.name} cannot be used yet: it waits for {entry.waits_for}.")
        if not isinstance(entry.source, HubSource):
            raise InvalidRequest(f"{entry.name} is not downloaded from a hub; get it with: {entry.get}")
        if entry.licence_acceptance and not licences_accepted:
            raise InvalidRequest(
                f"{entry.name} is under {entry.licence}. {entry.licence_notice} Whoever accepts that adds "
                "--accept-licence.",
                code="licence_not_accepted",
            )
    missing = sum(_missing_bytes(entry, file, folder) for entry in entries for file in entry.files)
    return PullPlan(tuple(entries), missing)


def refuse_without_room(needed_bytes: int, folder: ModelsFolder, reserve_bytes: int, free: FreeBytes) -> None:
    """Raises `StorageFull` before anything is written where less than the reserve would be left."""
    room_bytes = free(folder.path)
    if needed_bytes + reserve_bytes > room_bytes:
        raise StorageFull(
            f"This takes {needed_bytes / _MB:,.0f} MB and {reserve_bytes / _MB:,.0f} MB stay in reserve, but "
            f"{folder.path} has {room_bytes / _MB:,.0f} MB free: make room, then do it again."
        )


def _missing_bytes(entry: ModelEntry, file: ModelFile, folder: ModelsFolder) -> int:
    whole = UNKNOWN_LIMIT_BYTES if file.size_bytes is None else file.size_bytes
    for place in (folder.files(entry.name) / file.name, part_of(folder, entry, file)):
        if place.is_file():
            return max(0, whole - place.stat().st_size)
    return whole


def part_of(folder: ModelsFolder, entry: ModelEntry, file: ModelFile) -> Path:
    """Where the file is while it is not whole."""
    return folder.parts(entry.name) / f"{file.name.replace('/', '--')}.part"
