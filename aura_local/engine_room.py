"""Loads the chosen engines, keeps their state, closes them. Layer 4.

A model that is missing or damaged does not stop the others: the server runs, says what is missing and
which command gets it, and answers requests for that engine with the same error.

A model is exchanged while conversations go on: the new engine is opened beside the old one and then put in
its place in one step; whoever holds the old one keeps it, and the last of them closes it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import anyio
import anyio.to_thread

from aura_local.adapters.registry import AdapterContext, installed_adapters, open_adapter
from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.store import ModelStore
from aura_local.cores import CoreBudget
from aura_local.engine_choice import CAPABLE_PARAMETERS, JOBS, Choice, Job, choose
from aura_local.engine_in_use import EngineInUse
from aura_local.engine_status import EngineStatus as EngineStatus
from aura_local.engine_status import State, note_of, status_of
from aura_local.errors import AuraError, Busy, Conflict, EngineUnavailable, ModelMissing
from aura_local.machine import available_memory_bytes
from aura_local.settings import Settings

log = logging.getLogger(__name__)

DECLINING: Choice = Choice("language_model", "extractive", None)
"""Says that the documents hold nothing, and quotes them for models too small to be trusted."""

NEEDS_RESTART: Final = "needs_restart"
"""Code of the `Conflict` that refuses what a restart could do."""

OpenEngine: TypeAlias = Callable[[str, str, AdapterContext], Any]
"""As `open_adapter` does: job, engine, and what the engine is told."""

Prepare: TypeAlias = Callable[[Any], Awaitable[None]]
"""Awaited with an engine that is open and not in use yet; what it raises keeps the engine from being used."""


class Engines(Protocol):
    """What the engine needs of its engine room; tests furnish one with scripted engines."""

    @property
    def status(self) -> tuple[EngineStatus, ...]: ...

    @property
    def trusted(self) -> bool: ...

    @property
    def queues(self) -> Mapping[str, Callable[[], int]]: ...

    @property
    def longest_hold_s(self) -> float: ...

    async def load(self) -> None: ...

    def engine(self, job: str) -> Any: ...

    def hold(self, job: str) -> AbstractAsyncContextManager[Any]: ...

    async def swap(self, name: str, store: ModelStore, prepare: Prepare) -> EngineStatus: ...

    def quoting(self) -> Any: ...

    async def close(self) -> None: ...


class EngineRoom:
    """The engines of one process."""

    def __init__(
        self,
        settings: Settings,
        store: ModelStore,
        *,
        available_bytes: Callable[[], int | None] = available_memory_bytes,
        open_engine: OpenEngine = open_adapter,
    ) -> None:
        """`available_bytes` tells how much memory is left, `open_engine` opens what a choice names.

        Raises `ConfigurationError` for an engine or model that does not exist.
        """
        self._settings = settings
        self._store = store
        present = frozenset(status.entry.name for status in store.available() if status.state == "present")
        self._choices = {job: self._choose(job, present) for job in JOBS}
        self._status = {job: status_of(choice, "loading") for job, choice in self._choices.items()}
        self._available_bytes = available_bytes
        self._open_engine = open_engine
        self._engines: dict[str, EngineInUse] = {}
        self._replaced: list[EngineInUse] = []
        self._failures: dict[str, AuraError] = {}
        self._loading = anyio.Lock()
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
    def longest_hold_s(self) -> float:
        """For how long the longest piece of native work has been running: far too long means it hangs."""
        return self.budget.longest_hold_s

    @property
    def choices(self) -> dict[Job, Choice]:
        return dict(self._choices)

    async def load(self) -> None:
        """Load every engine, each in turn: loading is native work, and the cores are few."""
        async with self._loading:
            self._quoting = await anyio.to_thread.run_sync(self._open, DECLINING)
            for job, choice in self._choices.items():
                try:
                    engine = await anyio.to_thread.run_sync(self._open, choice)
                except AuraError as error:
                    self._failures[job] = error
                    state: State = "missing" if isinstance(error, ModelMissing) else "failed"
                    command = choice.entry.get if choice.entry is not None else ""
                    self._status[job] = replace(
                        status_of(choice, state), message=error.message, command=command
                    )
                    log.warning("engine not loaded", extra={"job": job, "code": error.code})
                else:
                    self._put(choice, engine)

    async def swap(self, name: str, store: ModelStore, prepare: Prepare) -> EngineStatus:
        """Let the model of that name do its job from the next piece of work on; returns once it does.

        `store` is read anew, so that it knows what was brought since the start. Until the last user of the
        old engine has left it, both are in memory. Nothing happens where the model does its job already.
        Raises `Conflict` with the code `NEEDS_RESTART` for an embedder and where the memory does not suffice,
        `Busy` while another model is loaded, and what opening the model or `prepare` raises; the old engine
        goes on then.
        """
        entry = store.entry(name)
        job: Job = entry.job
        old = self._engines.get(job)
        if old is not None and self._choices[job].entry == entry:
            return self._status[job]
        if job == "embedder":
            raise Conflict(
                "Another embedder makes all stored vectors useless: choose it while the server is stopped, "
                "and have the documents read again with `aura reindex --read --all`.",
                code=NEEDS_RESTART,
            )
        if self._loading.locked():
            raise Busy("Another model is being loaded; try again when it is there.")
        async with self._loading:
            if old is not None:
                self._refuse_without_memory(entry)
            self._store = store
            queues = dict(self.budget.queues)
            self._status[job] = replace(self._status[job], loading=name)
            choice = Choice(job, entry.engine, entry)
            try:
                engine = await self._prepared(choice, prepare)
            except BaseException as error:  # cancelled, too: the old engine's queue is the one to be watched
                self.budget.queues.update(queues)
                if isinstance(error, AuraError):
                    log.warning("model not exchanged", extra={"job": job, "code": error.code})
                raise
            finally:
                self._status[job] = replace(self._status[job], loading="")
            self._put(choice, engine)
            if old is not None:
                self._replaced = [*(engine for engine in self._replaced if not engine.closed), old]
                await old.replace()
            return self._status[job]

    async def _prepared(self, choice: Choice, prepare: Prepare) -> Any:
        engine = await anyio.to_thread.run_sync(self._open, choice)
        try:
            await prepare(engine)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await engine.close()
            raise
        return engine

    def _put(self, choice: Choice, engine: Any) -> None:
        """In one step: no task sees the engine without what belongs to it."""
        job = choice.job
        self._engines[job] = EngineInUse(engine)
        self._choices[job] = choice
        self._failures.pop(job, None)
        self._status[job] = status_of(choice, "loaded", engine.description)

    def engine(self, job: str) -> Any:
        """The loaded engine. Raises what kept it from loading, or `EngineUnavailable` while it loads."""
        return self._current(job).engine

    @asynccontextmanager
    async def hold(self, job: str) -> AsyncIterator[Any]:
        """The engine of the moment, kept open until the block is left. Raises like `engine`."""
        async with self._current(job).hold() as engine:
            yield engine

    def quoting(self) -> Any:
        """The extractive answerer, which needs no model."""
        if self._quoting is None:
            raise EngineUnavailable("The engines are still loading; try again in a moment.", retryable=True)
        return self._quoting

    async def close(self) -> None:
        """Close all engines, in reverse order. Idempotent."""
        for engine in (*self._replaced, *reversed(self._engines.values())):
            await engine.close()
        self._engines.clear()

    def _current(self, job: str) -> EngineInUse:
        if job in self._failures:
            raise self._failures[job]
        if job not in self._engines:
            raise EngineUnavailable("The engines are still loading; try again in a moment.", retryable=True)
        return self._engines[job]

    def _refuse_without_memory(self, entry: ModelEntry) -> None:
        available = self._available_bytes()
        if available is not None and available < entry.memory_bytes:
            raise Conflict(
                f"{entry.name} needs about {entry.memory_bytes / 1e6:,.0f} MB beside the model in use, and "
                f"{available / 1e6:,.0f} MB are free: choose it with `aura models use` and start the server "
                "again.",
                code=NEEDS_RESTART,
            )

    def _open(self, choice: Choice) -> Any:
        entry = choice.entry
        if entry is None:
            bare = AdapterContext(choice.engine, self.budget, options=self._options(choice))
            return self._open_engine(choice.job, choice.engine, bare)
        if self._settings.engines.verify_models:
            files = dict(self._store.verify(entry).files)
        else:
            files = _unproved_files(self._store, choice)
        context = AdapterContext(
            model=entry.name,
            budget=self.budget,
            files=files,
            synthetic=entry.synthetic,
            note=note_of(choice),
            writes_punctuation=bool(entry.writes_punctuation),
            options=self._options(choice),
        )
        return self._open_engine(choice.job, choice.engine, context)

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
