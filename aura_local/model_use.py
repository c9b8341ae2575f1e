"""Chooses a model for its job while the server runs, and for its next start. Layer 4.

The same for whoever asks: the operator's route and the command on the same machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from aura_local.audit.chain import PLATFORM
from aura_local.catalogue.known_models import known_store
from aura_local.catalogue.suitability import refuse_useless
from aura_local.errors import AuraError, ConfigurationError, NotFound
from aura_local.settings_line import write_setting

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.catalogue.manifest import ModelEntry
    from aura_local.engine import Engine
    from aura_local.settings_sources import LoadedSettings


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model that does its job now."""

    job: str
    model: str
    kept: bool
    """Whether it will after the next start as well."""
    note: str = ""
    """Why not, where it will not."""


async def use_model(engine: Engine, asker: Principal, name: str) -> ModelUse:
    """Exchange the model under all conversations, cutting none, and write the choice into aura.toml.

    Audited before the model is used. Raises `NotFound` for an unknown name, `ModelMissing`,
    `ModelDamaged`, `InvalidRequest` (another language), and what `EngineRoom.swap` raises: nothing has
    changed then.
    """
    settings = engine.settings
    store = await anyio.to_thread.run_sync(known_store, settings.home)
    try:
        entry = store.entry(name)
    except ConfigurationError as error:
        raise NotFound(error.message) from error  # whoever asked is wrong, not the server's settings
    await anyio.to_thread.run_sync(refuse_useless, store, entry, settings.voice.language)
    before = next(status.model for status in engine.status() if status.job == entry.job)

    async def prepare(opened: Any) -> None:
        if entry.job == "language_model":
            await engine.lent.warm_up(opened)
        await engine.audit_log(PLATFORM).append(
            asker.subject, "model.used", name, job=entry.job, before=before
        )

    try:
        await engine.room.swap(name, store, prepare)
    except AuraError:
        engine.metrics.model_exchanged(entry.job, "refused")
        raise
    engine.metrics.model_exchanged(entry.job, "taken")
    engine.watch_lanes()
    return await anyio.to_thread.run_sync(_kept, engine.loaded, entry)


def keep_choice(loaded: LoadedSettings, entry: ModelEntry) -> Path:
    """Write the choice into aura.toml; returns where that is. Blocks. Raises like `write_setting`."""
    path = loaded.file or Path(os.environ.get("AURA_CONFIG", loaded.values.home / "aura.toml"))
    write_setting(path, "engines", entry.job, entry.name)
    return path


def goes_before_the_file(loaded: LoadedSettings, entry: ModelEntry) -> str:
    """A sentence where a variable decides, whatever the file says; empty where none does."""
    if loaded.sources[f"engines.{entry.job}"] != "environment":
        return ""
    return f"A variable sets engines.{entry.job} as well, and goes before the file."


def _kept(loaded: LoadedSettings, entry: ModelEntry) -> ModelUse:
    try:
        keep_choice(loaded, entry)
    except AuraError as error:
        return ModelUse(entry.job, entry.name, kept=False, note=error.message)
    note = goes_before_the_file(loaded, entry)
    return ModelUse(entry.job, entry.name, kept=not note, note=note)
