"""Loads the chosen engines, keeps their state, closes them. Layer 4.

A model that is missing or damaged does not stop the others: the server runs, says what is missing and
which command gets it, and answers requests for that engine with the same error.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import anyio
import anyio.to_thread

from aura_local.adapters.registry import AdapterContext, installed_adapters, open_adapter
from aura_local.catalogue.store import ModelStore
from aura_local.cores import CoreBudget
from aura_local.engine_choice import CAPABLE_PARAMETERS, JOBS, Choice, Job, choose
from aura_local.errors import AuraError, EngineUnavailable, ModelMissing
from aura_local.ports import EngineDescription
from aura_local.settings import Settings

log = logging.getLogger(__name__)

State: TypeAlias = Literal["loading", "loaded", "missing", "failed"]

DECLINING: Choice = Choice("language_model", "extractive", None)
"""Says that the documents hold nothing, and quotes them for models too small to be trusted."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """One line of `/voice/status`."""

    job: str
    state: State
    engine: str
    model: str
    synthetic: bool = False
    note: str = ""
    message: str = ""
    """What is wrong, where something is."""
    command: str = ""
    """The one command that mends it."""


class Engines(Protocol):
    """What the engine needs of its engine room; tests furnish one with scripted engines."""

    @property
    def status(self) -> tuple[EngineStatus, ...]: ...

    @property
    def trusted(self) -> bool: ...

    @property
    def queues(self) -> Mapping[str, Callable[[], int]]: ...

    async def load(self) -> None: ...

    def engine(self, job: str) -> Any: ...

    def quoting(self) -> Any: ...

    async def close(self) -> None: ...


class EngineRoom:
    """The engines of one process."""

    def __init__(self, settings: Settings, store: ModelStore) -> None:
        """Raises `ConfigurationError` for an engine or model that does not exist."""
        self._settings = settings
        self._store = store
        present = frozenset(status.entry.name for status in store.available() if status.state == "present")
        self._choices = {job: self._choose(job, present) for job in JOBS}
        self._status = {job: _status(choice, "loading") for job, choice in self._choices.items()}
        self._engines: dict[str, Any] = {}
        self._failures: dict[str, AuraError] = {}
        self._quoting: Any = None
        self.budget = CoreBudget(
            settings.engines.cores or os.cpu_count() or 1, queue_wait_s=settings.limits.queue_wait_s
        )

    def _choose(self, job: Job, present: frozenset[str]) -> Choice:
        settings, adapters = self._settings, frozenset(installed_adapters(job))
        return choose(job, settings.engines, settings.profile, self._store.entries, present, adapters)

    @property
    def status(self) -> tuple[EngineStatus, ...]:
        return tuple(self._status.values())

    @property
    def trusted(self) -> bool:
        """Whether the language model is large enough to speak in its own words."""
        entry = self._choices["language_model"].entry
        return entry is not None and (entry.parameters or 0) >= CAPABLE_PARAMETERS

    @property
    def queues(self) -> Mapping[str, Callable[[], int]]:
        """Lengths of the waiting queues, by engine, once it is loaded."""
        return self.budget.queues

    @property
    def choices(self) -> dict[Job, Choice]:
        return dict(self._choices)

    async def load(self) -> None:
        """Load every engine, each in turn: loading is native work, and the cores are few."""
        self._quoting = await anyio.to_thread.run_sync(self._open, DECLINING)
        for job, choice in self._choices.items():
            try:
                self._engines[job] = await anyio.to_thread.run_sync(self._open, choice)
            except AuraError as error:
                self._failures[job] = error
                state: State = "missing" if isinstance(error, ModelMissing) else "failed"
                command = choice.entry.get if choice.entry is not None else ""
                self._status[job] = replace(_status(choice, state), message=error.message, command=command)
                log.warning("engine not loaded", extra={"job": job, "code": error.code})
            else:
                self._status[job] = _status(choice, "loaded", self._engines[job].description)

    def engine(self, job: str) -> Any:
        """The loaded engine. Raises what kept it from loading, or `EngineUnavailable` while it loads."""
        if job in self._failures:
            raise self._failures[job]
        if job not in self._engines:
            raise EngineUnavailable("The engines are still loading; try again in a moment.", retryable=True)
        return self._engines[job]

    def quoting(self) -> Any:
        """The extractive answerer, which needs no model."""
        if self._quoting is None:
            raise EngineUnavailable("The engines are still loading; try again in a moment.", retryable=True)
        return self._quoting

    async def close(self) -> None:
        """Close all engines, in reverse order. Idempotent."""
        while self._engines:
            _, engine = self._engines.popitem()
            await engine.close()

    def _open(self, choice: Choice) -> Any:
        entry = choice.entry
        if entry is None:
            bare = AdapterContext(choice.engine, self.budget, options=self._options(choice))
            return open_adapter(choice.job, choice.engine, bare)
        if self._settings.engines.verify_models:
            files = dict(self._store.verify(entry).files)
        else:
            files = _unproved_files(self._store, choice)
        context = AdapterContext(
            model=entry.name,
            budget=self.budget,
            files=files,
            synthetic=entry.synthetic,
            note=_note(choice),
            writes_punctuation=bool(entry.writes_punctuation),
            options=self._options(choice),
        )
        return open_adapter(choice.job, choice.engine, context)

    def _options(self, choice: Choice) -> dict[str, Any]:
        if choice.job == "text_to_speech":
            return {"speech_characters": self._settings.limits.speech_characters}
        if choice.entry is None:
            return {}
        if choice.job == "speech_to_text":
            return {
                "dynamic_window": choice.entry.dynamic_window,
                "fitted_window": self._settings.voice.fitted_window,
            }
        if choice.job == "language_model":
            # Two threads per decode on two cores lose against one as soon as anything else runs (measured:
            # 6 instead of 48 tokens/s), so one core is always left to the other engines.
            return {"most_threads": max(1, self.budget.cores - 1)}
        return {}


def _unproved_files(store: ModelStore, choice: Choice) -> dict[str, Path]:
    assert choice.entry is not None
    folder = store.locate(choice.entry)
    if folder is None:
        raise ModelMissing(f"The model {choice.entry.name} is not installed; get it with: {choice.entry.get}")
    return {file.name: folder / file.name for file in choice.entry.files}


def _note(choice: Choice) -> str:
    entry = choice.entry
    if entry is None:
        return ""
    if entry.word_error_rate is not None:
        share = f"{entry.word_error_rate:.0%}"
        return f"{entry.description}. On human speech it gets {share} of the words wrong (measured)."
    return f"{entry.description}."


def _status(choice: Choice, state: State, description: EngineDescription | None = None) -> EngineStatus:
    return EngineStatus(
        job=choice.job,
        state=state,
        engine=choice.engine,
        model=choice.model,
        synthetic=choice.entry is not None and choice.entry.synthetic,
        note=_note(choice) if description is None else description.note or _note(choice),
    )
