"""An engine with real storage, retrieval and conversation around scripted models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aura_local.adapters.registry import AdapterContext, open_adapter
from aura_local.adapters.scripted import (
    ScriptedEmbedder,
    ScriptedLanguageModel,
    ScriptedSpeechToText,
    ScriptedTextToSpeech,
    ScriptedTurns,
    ScriptedVoiceActivity,
)
from aura_local.catalogue.store import ModelStore
from aura_local.cores import CoreBudget
from aura_local.engine import Engine
from aura_local.engine_room import EngineStatus, Prepare
from aura_local.settings_sources import load_settings
from aura_local.storage.leases import TenantHandle


@dataclass
class ScriptedRoom:
    """Furnishes an engine with stand-ins; give it others to script them."""

    engines: dict[str, Any] = field(default_factory=dict)
    trusted: bool = True
    """Whether the language model may answer in its own words."""
    others: dict[str, Any] = field(default_factory=dict)
    """Engines that may take over, by the name of their model."""

    def __post_init__(self) -> None:
        defaults = {
            "voice_activity": ScriptedVoiceActivity(),
            "turn_detector": ScriptedTurns(),
            "speech_to_text": ScriptedSpeechToText([]),
            "embedder": ScriptedEmbedder(),
            "language_model": ScriptedLanguageModel([["The museum ", "opens at nine."]]),
            "text_to_speech": ScriptedTextToSpeech(),
        }
        self.engines = defaults | self.engines
        context = AdapterContext("extractive", CoreBudget(1))
        self._quoting = open_adapter("language_model", "extractive", context)

    @property
    def status(self) -> tuple[EngineStatus, ...]:
        return tuple(EngineStatus(job, "loaded", "scripted", "scripted") for job in self.engines)

    @property
    def queues(self) -> dict[str, Any]:
        return {}

    @property
    def longest_hold_s(self) -> float:
        return 0.0

    async def load(self) -> None:
        """There is nothing to load."""

    def engine(self, job: str) -> Any:
        return self.engines[job]

    @asynccontextmanager
    async def hold(self, job: str) -> AsyncIterator[Any]:
        yield self.engine(job)

    async def swap(self, name: str, store: ModelStore, prepare: Prepare) -> EngineStatus:
        """The engine of another model is one of `others`."""
        job = store.entry(name).job
        await prepare(self.others[name])
        self.engines[job] = self.others[name]
        return next(status for status in self.status if status.job == job)

    def quoting(self) -> Any:
        return self._quoting

    async def close(self) -> None:
        for engine in self.engines.values():
            await engine.close()


@asynccontextmanager
async def open_scripted_engine(
    folder: Path, *, room: ScriptedRoom | None = None, **settings: object
) -> AsyncIterator[Engine]:
    """An engine whose data lies in `folder`; `settings` by dotted name with `__` for the dot."""
    arguments: dict[str, object] = {
        "home": folder / "home",
        "master_key_file": folder / "key" / "master.key",
        "limits.disk_reserve_bytes": 0,
    }
    arguments |= {name.replace("__", "."): value for name, value in settings.items()}
    async with Engine.open(load_settings(arguments, {}), room=room or ScriptedRoom()) as engine:
        await engine.ready()
        yield engine


@asynccontextmanager
async def open_museum(engine: Engine, *sentences: str) -> AsyncIterator[TenantHandle]:
    """A tenant of the engine with one document that consists of these sentences."""
    tenant = await engine.catalog.create_tenant("Riverside Museum")
    async with engine.leases.lease(tenant.id) as handle:
        if sentences:

            async def chunks() -> AsyncIterator[bytes]:
                yield "\n\n".join(sentences).encode()

            record = await engine.ingestion.add(handle, "museum.txt", chunks())
            await engine.ingestion.index(handle, record.id)
        yield handle
