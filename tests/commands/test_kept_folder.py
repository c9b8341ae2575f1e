"""A folder that is kept in step: its documents are those of the folder, whatever happened in it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from aura_local.commands.kept_folder import FolderNews, KeptFolder, follow
from aura_local.engine import Engine
from aura_local.errors import InvalidRequest, StorageFull
from aura_local.retrieval.documents import DocumentRecord
from aura_local.storage.leases import TenantHandle
from tests.support.engine import ScriptedRoom, open_museum, open_scripted_engine

pytestmark = pytest.mark.anyio


@dataclass
class Scene:
    folder: Path
    engine: Engine
    handle: TenantHandle
    room: ScriptedRoom
    news: list[FolderNews] = field(default_factory=list)
    told: anyio.Event = field(default_factory=anyio.Event)

    def kept(self, *, public: bool = False) -> KeptFolder:
        """As after a restart."""
        return KeptFolder(self.folder, engine=self.engine, handle=self.handle, public=public, tell=self.tell)

    def tell(self, news: FolderNews) -> None:
        self.news.append(news)
        self.told.set()

    def outcomes(self) -> Mapping[str, str]:
        """Since the last call, by the names of the files."""
        found = {news.path.name: news.outcome for news in self.news}
        self.news.clear()
        return found

    async def records(self) -> dict[str, DocumentRecord]:
        return {record.name: record for record in await self.engine.ingestion.list(self.handle)}

    async def until(self, holds: Callable[[dict[str, DocumentRecord]], bool]) -> None:
        with anyio.fail_after(20):
            while not holds(await self.records()):
                await self.told.wait()
                self.told = anyio.Event()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    folder, room = tmp_path / "folder", ScriptedRoom()
    folder.mkdir()
    async with (
        open_scripted_engine(tmp_path, room=room) as engine,
        open_museum(engine) as handle,
    ):
        yield Scene(folder, engine, handle, room)


@asynccontextmanager
async def followed(scene: Scene) -> AsyncIterator[None]:
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow, {scene.folder: scene.kept()}, stop)
        yield
        stop.set()


async def test_added_changed_and_removed(scene: Scene) -> None:
    hours, dogs = scene.folder / "hours.txt", scene.folder / "deep" / "dogs.md"
    dogs.parent.mkdir()
    hours.write_text("Open at nine.")
    dogs.write_text("Dogs wait outside.")
    kept = scene.kept()
    await kept.compare(first=True)
    assert scene.outcomes() == {"hours.txt": "indexed", "dogs.md": "indexed"}
    before = await scene.records()
    assert before["dogs.md"].source == f"folder:{dogs.resolve()}"
    await kept.compare()
    assert scene.outcomes() == {}

    hours.write_text("Open at ten, all week.")
    dogs.unlink()
    await kept.compare()
    assert scene.outcomes() == {"hours.txt": "indexed", "dogs.md": "removed"}
    (after,) = (await scene.records()).values()
    assert (after.id, after.version, after.status) == (before["hours.txt"].id, 2, "indexed")
    log = await scene.engine.audit_log(scene.handle.id).entries()
    assert [entry.subject for entry in log if entry.action == "document.deleted"] == [before["dogs.md"].id]


async def test_what_happened_while_nobody_watched_is_found_at_the_next_start(scene: Scene) -> None:
    for name in ("stays.txt", "changes.txt", "goes.txt"):
        (scene.folder / name).write_text(f"This is {name}.")
    await scene.kept().compare(first=True)
    before = await scene.records()
    (scene.folder / "changes.txt").write_text("Another text.")
    (scene.folder / "goes.txt").unlink()
    scene.outcomes()
    await scene.kept().compare(first=True)
    assert scene.outcomes() == {"changes.txt": "indexed", "goes.txt": "removed"}
    after = await scene.records()
    assert after["stays.txt"] == before["stays.txt"]
    assert after["changes.txt"].version == 2


async def test_files_that_are_none_of_ours_are_left_out(scene: Scene) -> None:
    names = (".hidden.txt", ".git/x.txt", "~$letter.docx", "letter.txt~", "x.part", "x.gif", "4913.tmp")
    for name in names:
        (scene.folder / name).parent.mkdir(exist_ok=True)
        (scene.folder / name).write_text("Not a document.")
    await scene.kept().compare(first=True)
    assert await scene.records() == {}


async def test_a_file_that_fails_is_tried_again_when_it_changes(scene: Scene) -> None:
    file = scene.folder / "report.pdf"
    file.write_bytes(b"%PDF-1.7\nrubbish")
    kept = scene.kept()
    await kept.compare(first=True)
    assert [news.outcome for news in scene.news] == ["failed"]
    assert scene.news[0].reason
    await kept.compare()
    assert len(scene.news) == 1
    file.write_bytes(b"MZ\x90\x00\x03 no document")
    await kept.compare()
    assert [news.outcome for news in scene.news] == ["failed", "failed"]


async def test_a_full_disk_does_not_end_the_watching(scene: Scene) -> None:
    file = scene.folder / "hours.txt"
    file.write_text("Open at nine.")
    kept = scene.kept()
    script = scene.room.engines["embedder"].script
    script.failure = StorageFull("No space left.")
    await kept.compare(first=True)
    assert scene.outcomes() == {"hours.txt": "failed"}
    script.failure = None
    await kept.compare()
    assert scene.outcomes() == {"hours.txt": "indexed"}


async def test_an_empty_folder_at_the_start_deletes_nothing(scene: Scene) -> None:
    """This is what a disk that is not there looks like."""
    file = scene.folder / "hours.txt"
    file.write_text("Open at nine.")
    await scene.kept().compare(first=True)
    file.unlink()
    scene.outcomes()
    await scene.kept().compare(first=True)
    assert scene.outcomes() == {"hours.txt": "kept"}
    assert len(await scene.records()) == 1
    scene.folder.rmdir()
    with pytest.raises(InvalidRequest):
        await scene.kept().compare()
    assert len(await scene.records()) == 1


async def test_documents_for_visitors(scene: Scene) -> None:
    (scene.folder / "hours.txt").write_text("Open at nine.")
    await scene.kept().compare(first=True)
    assert (await scene.records())["hours.txt"].audience == "members"
    await scene.kept(public=True).compare(first=True)
    record = (await scene.records())["hours.txt"]
    assert (record.audience, record.sensitivity, record.version) == ("public", "public", 1)


async def test_the_system_tells_what_changes_until_it_is_stopped(scene: Scene) -> None:
    file = scene.folder / "hours.txt"
    async with followed(scene):
        file.write_text("Open at nine.")
        await scene.until(lambda records: "hours.txt" in records and records["hours.txt"].status == "indexed")
        # As editors save: beside it, then in its place.
        draft = scene.folder / ".hours.txt.swp"
        draft.write_text("Open at ten.")
        os.replace(draft, file)
        await scene.until(lambda records: records["hours.txt"].version == 2)
        moved = scene.folder.parent / "moved"
        moved.mkdir()
        (moved / "dogs.txt").write_text("Dogs wait outside.")
        moved.rename(scene.folder / "moved")
        await scene.until(lambda records: "dogs.txt" in records)
        file.unlink()
        await scene.until(lambda records: "hours.txt" not in records)
    assert (scene.folder / "moved").exists()
    assert set(await scene.records()) == {"dogs.txt"}
