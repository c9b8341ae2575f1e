"""Brings a model from a folder or a stick into the data folder, copied whole or not at all. Layer 2."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.models_folder import ENTRY_FILE, RESERVED, ModelsFolder
from aura_local.catalogue.pull_plan import FreeBytes, free_bytes, refuse_without_room
from aura_local.catalogue.recognised import Recognised
from aura_local.catalogue.recognition import recognise
from aura_local.errors import Conflict, InvalidRequest
from aura_local.storage.sqlite_errors import file_errors_translated

_COPY_BYTES: Final = 1024 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def bring(
    path: Path,
    folder: ModelsFolder,
    *,
    name: str | None,
    taken: Collection[str],
    reserve_bytes: int,
    progress: Callable[[int, int], None] = lambda done_bytes, all_bytes: None,
    free: FreeBytes = free_bytes,
    facts: Mapping[str, Any] | None = None,
) -> ModelEntry:
    """Install the model at `path` and return its new catalogue entry, whose licence is `unknown`. Blocks.

    `name` is found from the file's where it is None; `taken` are the names of all known models. `facts`
    are fields of the entry that no file tells. Raises like `recognise`, `Conflict` for a name that is taken,
    `StorageFull`, `StorageUnavailable` and `Busy`.
    """
    found = recognise(path)
    title = plain_name(found.title, found.engine) if name is None else name
    if not _NAME.fullmatch(title) or title in RESERVED:
        raise InvalidRequest(
            "A model's name has letters, digits, dots, dashes and underscores: choose another."
        )
    if title in taken:
        raise Conflict(f"A model called {title} exists: choose another name with --name.")
    all_bytes = sum(source.stat().st_size for source in found.files.values())
    with folder.alone():
        refuse_without_room(all_bytes, folder, reserve_bytes, free)
        folder.discard(title)
        folder.prepare(title)
        staged, done_bytes = folder.files(title), 0
        files: list[dict[str, Any]] = []
        try:
            for file, source in found.files.items():
                digest = hashlib.sha256()
                with (
                    file_errors_translated(staged / file),
                    source.open("rb") as original,
                    (staged / file).open("xb") as copy,
                ):
                    while piece := original.read(_COPY_BYTES):
                        copy.write(piece)
                        digest.update(piece)
                        done_bytes += len(piece)
                        progress(done_bytes, all_bytes)
                    size_bytes = copy.tell()
                files.append({"name": file, "size_bytes": size_bytes, "sha256": digest.hexdigest()})
            # Once more, the copy: a stick may have been pulled out or changed meanwhile.
            entry = _entry(title, recognise(staged), files, facts or {})
            (staged / ENTRY_FILE).write_text(
                entry.model_dump_json(indent=1, exclude_none=True) + "\n", "utf-8"
            )
            folder.install(title)
        finally:
            folder.discard(title)
    return entry


def _entry(name: str, found: Recognised, files: list[dict[str, Any]], facts: Mapping[str, Any]) -> ModelEntry:
    return ModelEntry.model_validate(
        {
            "name": name,
            "job": found.job,
            "engine": found.engine,
            "description": found.description,
            "licence": "unknown",
            "languages": found.languages,
            "memory_bytes": found.memory_bytes,
            "memory_estimated": True,
            "synthetic": False,
            "get": f"aura models import PATH --name {name}",
            "source": {"kind": "import"},
            "files": files,
            **found.more,
            **facts,
        }
    )


def plain_name(title: str, otherwise: str) -> str:
    """A model's name made from that of its file or folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-._")[:100] or otherwise
