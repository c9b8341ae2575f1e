"""Downloads models: files in parallel, each proved, and a model installed whole or not at all. Layer 2."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import anyio
import anyio.to_thread

from aura_local.catalogue.file_download import FileDownload, Wait
from aura_local.catalogue.gguf_check import refuse_unsuitable
from aura_local.catalogue.hub_client import HubClient
from aura_local.catalogue.known_models import pin_key, pinned_entry
from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.models_folder import ModelsFolder
from aura_local.catalogue.pull_plan import FreeBytes, PullPlan, free_bytes, part_of, refuse_without_room
from aura_local.catalogue.records import LicenceRecord, Pin, Records
from aura_local.catalogue.sources import HubSource, ModelFile
from aura_local.errors import AuraError, ModelDamaged
from aura_local.storage.durable_files import make_private_folder
from aura_local.storage.sqlite_errors import file_errors_translated

Progress: TypeAlias = Callable[[ModelEntry, ModelFile, int], None]
"""Told how many bytes of a file are here; called on the downloading threads."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of one entry: installed, or why not."""

    entry: ModelEntry
    error: AuraError | None


class Puller:
    """Carries a plan out. One for each call of `pull`; the folder is held alone meanwhile."""

    def __init__(
        self,
        folder: ModelsFolder,
        client: HubClient,
        *,
        reserve_bytes: int,
        parallel_files: int = 3,
        progress: Progress = lambda entry, file, arrived_bytes: None,
        free: FreeBytes = free_bytes,
        wait: Wait | None = None,
    ) -> None:
        self._folder = folder
        self._records = Records(folder.path)
        self._client = client
        self._reserve_bytes = reserve_bytes
        self._limiter = anyio.CapacityLimiter(parallel_files)
        self._progress = progress
        self._free = free
        self._wait = wait
        self._stops: dict[str, threading.Event] = {}

    async def pull(self, plan: PullPlan) -> list[Pulled]:
        """Download and install the entries; one that fails does not stop the others.

        Raises `Busy`, `StorageFull` before anything is fetched, and `StorageDamaged`. Cancelling stops the
        downloads within a chunk; what has arrived is kept for the next time.
        """
        outcomes: list[Pulled] = []

        async def one(entry: ModelEntry) -> None:
            error: AuraError | None = None
            try:
                await self._entry(pinned_entry(entry, pins))
            except AuraError as failure:
                error = failure
            outcomes.append(Pulled(entry, error))

        with self._folder.alone():
            refuse_without_room(plan.missing_bytes, self._folder, self._reserve_bytes, self._free)
            pins = self._records.pins()
            self._stops = {entry.name: threading.Event() for entry in plan.entries}
            async with anyio.create_task_group() as watching:
                watching.start_soon(self._stop_when_cancelled)
                async with anyio.create_task_group() as tasks:
                    for entry in plan.entries:
                        tasks.start_soon(one, entry)
                watching.cancel_scope.cancel()
        return sorted(outcomes, key=lambda outcome: plan.entries.index(outcome.entry))

    async def _entry(self, entry: ModelEntry) -> None:
        await anyio.to_thread.run_sync(self._folder.prepare, entry.name)
        errors: list[AuraError] = []
        async with anyio.create_task_group() as tasks:
            for file in entry.files:
                tasks.start_soon(self._file, entry, file, errors)
        if errors:
            raise errors[0]  # the others only stopped because of it
        await anyio.to_thread.run_sync(self._finish, entry)

    async def _file(self, entry: ModelEntry, file: ModelFile, errors: list[AuraError]) -> None:
        # Never abandoned: a thread that went on without the folder's lock would write into the next download.
        try:
            await anyio.to_thread.run_sync(self._fetch, entry, file, limiter=self._limiter)
        except AuraError as error:
            errors.append(error)
            self._stops[entry.name].set()

    async def _stop_when_cancelled(self) -> None:
        """Cancelling waits for the threads; this ends them at their next chunk or in their pause."""
        try:
            await anyio.sleep_forever()
        finally:
            for stop in self._stops.values():
                stop.set()

    def _fetch(self, entry: ModelEntry, file: ModelFile) -> None:
        """Leave the proved file among the staged ones."""
        staged = self._folder.files(entry.name) / file.name
        if self._is_here(entry, file, staged):
            self._progress(entry, file, staged.stat().st_size)
            return
        part = part_of(self._folder, entry, file)
        source = entry.source
        assert isinstance(source, HubSource)
        stop, claimed = self._stops[entry.name], None
        if file.size_bytes is None or not part.exists() or part.stat().st_size != file.size_bytes:
            download = FileDownload(
                client=self._client,
                url=self._client.address.url(source, file),
                file=file,
                part=part,
                report=lambda arrived_bytes: self._progress(entry, file, arrived_bytes),
                stopped=stop,
                wait=self._wait if self._wait is not None else _pause(stop),
            )
            claimed = download.run()
        expected = file.sha256 if file.digest_known else claimed
        found = _sha256(part)
        if expected is not None and found != expected:
            place = self._folder.quarantine(entry.name, file.name, part)
            raise ModelDamaged(
                f"{file.name} of {entry.name} is not the file it should be: SHA-256 {found} instead of "
                f"{expected}. It was put into {place} and is not used; do it again, or choose another mirror."
            )
        with file_errors_translated(staged):
            make_private_folder(staged.parent)
            part.replace(staged)

    def _is_here(self, entry: ModelEntry, file: ModelFile, staged: Path) -> bool:
        """Whether the file was proved by an earlier download, or is right in a model that lacks others."""
        if not file.digest_known:
            return False
        installed = self._folder.model(entry.name) / file.name
        for place in (staged, installed):
            right = place.is_file() and not place.is_symlink() and place.stat().st_size == file.size_bytes
            if right and _sha256(place) == file.sha256:
                if place is installed:
                    with file_errors_translated(staged):
                        make_private_folder(staged.parent)
                        staged.unlink(missing_ok=True)
                        os.link(installed, staged)
                return True
        return False

    def _finish(self, entry: ModelEntry) -> None:
        """Prove what the files are, record, and give the model its name."""
        staged = self._folder.files(entry.name)
        if entry.engine == "llama":
            for file in entry.files:
                try:
                    refuse_unsuitable(staged / file.name)
                except AuraError:
                    self._folder.quarantine(entry.name, file.name, staged / file.name)
                    raise
        self._drop_strangers(entry, staged)
        source, now = entry.source, datetime.now(UTC).isoformat(timespec="seconds")
        assert isinstance(source, HubSource)
        fresh = [file for file in entry.files if not file.digest_known]
        self._records.pin({pin_key(source, file): _pin(staged / file.name, now) for file in fresh})
        self._records.record_licence(
            entry.name,
            LicenceRecord(
                licence=entry.licence,
                notice=entry.licence_notice,
                source=f"{source.repository}@{source.revision}",
                accepted=entry.licence_acceptance,
                at=now,
            ),
        )
        self._folder.install(entry.name)

    def _drop_strangers(self, entry: ModelEntry, staged: Path) -> None:
        """An earlier version of the entry may have left files that it no longer lists."""
        listed = {staged / file.name for file in entry.files}
        for path in staged.rglob("*"):
            if path.is_file() and path not in listed:
                path.unlink()


def _pause(stop: threading.Event) -> Wait:
    def wait(seconds: float) -> None:
        stop.wait(seconds)

    return wait


def _pin(path: Path, now: str) -> Pin:
    return Pin(size_bytes=path.stat().st_size, sha256=_sha256(path), at=now)


def _sha256(path: Path) -> str:
    with file_errors_translated(path), path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
