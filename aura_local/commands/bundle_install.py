"""Puts a bundle's models into an installation that is there already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from aura_local.commands.byte_bar import byte_bar
from aura_local.commands.output import print_json

if TYPE_CHECKING:
    from aura_local.bundle.reading import Progress
    from aura_local.settings_sources import LoadedSettings


async def install_models(
    loaded: LoadedSettings,
    file: Path,
    public_key: str | None,
    trust_fingerprint: str | None,
    *,
    allow_older: bool,
    as_json: bool,
) -> None:
    """Install what `models` of the data folder lacks; all of it is proved before any of it has its name.

    Raises like `open_bundle`, `refuse_older`, `refuse_without_room` and `staged_models`.
    """
    from aura_local.bundle.models_placing import RECORD, missing_models, staged_models
    from aura_local.bundle.reading import open_bundle
    from aura_local.bundle.signing import signature_holds
    from aura_local.bundle.suitability import (
        file_errors_told,
        free_bytes,
        read_installed,
        refuse_older,
        refuse_without_room,
    )
    from aura_local.bundle.trust import Trust, read_key
    from aura_local.catalogue.known_models import models_folder_of

    folder = models_folder_of(loaded.values.home)
    named = None if public_key is None else read_key(public_key)

    def work(progress: Progress) -> tuple[tuple[str, ...], str]:
        before = read_installed(folder / RECORD)
        trust = Trust(named, trust_fingerprint, None if before is None else before.public_key)
        with open_bundle(file, trust, holds=signature_holds) as bundle:
            refuse_older(bundle.manifest, before, allow_older=allow_older)
            absent = missing_models(bundle, folder)
            wanted = [f for f in bundle.manifest.of_kind("model") if f.name.split("/")[1] in absent]
            refuse_without_room(sum(f.size_bytes for f in wanted), folder, free_bytes)
            with file_errors_told(folder), staged_models(bundle, folder, progress) as models:
                # Once more, now that the folder is held: another installation may have ended since.
                refuse_older(bundle.manifest, read_installed(folder / RECORD), allow_older=allow_older)
                models.install(bundle)
                return models.names, bundle.manifest.version

    with byte_bar("installing") as progress:
        names, version = await anyio.to_thread.run_sync(work, progress)
    if as_json:
        print_json({"installed": list(names), "version": version})
    else:
        print(f"Installed: {', '.join(names)}." if names else "Every model of the bundle is here already.")
