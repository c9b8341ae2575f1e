"""A tenant is opened once, shared while lent, and closed in the right order when others need the room."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from aura_local.errors import EngineUnavailable, NotFound, StorageDamaged, StorageUnavailable
from aura_local.storage.catalog import Catalog
from aura_local.storage.keys import MasterKey
from aura_local.storage.leases import TenantHandle, TenantLeases

pytestmark = pytest.mark.anyio

CANARY = "canary-51ab9f-in-plain-text"
DESCRIPTORS_PER_DATABASE = 3  # database, log, shared memory


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class RecordingIndex:
    """Notes when it is opened and closed, and whether its tenant's database was still open then."""

    def __init__(self, handle: TenantHandle, events: list[str], *, fails_to_close: bool = False) -> None:
        self._handle = handle
        self._events = events
        self._fails_to_close = fails_to_close
        events.append(f"open {handle.name}")

    async def close(self) -> None:
        await count_documents(self._handle)  # raises once the database is closed
        self._events.append(f"close {self._handle.name}")
        if self._fails_to_close:
            raise EngineUnavailable("The index did not close.")


async def count_documents(handle: TenantHandle) -> int:
    return await handle.database.read(lambda rows: int(rows.table("documents").count))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    catalog = await Catalog.open(tmp_path, MasterKey(bytes(32)))
    yield catalog
    await catalog.close()


Build = Callable[..., TenantLeases]


@pytest.fixture
async def build(tmp_path: Path, catalog: Catalog, clock: Clock, events: list[str]) -> AsyncIterator[Build]:
    built: list[TenantLeases] = []

    async def open_index(handle: TenantHandle) -> RecordingIndex:
        await anyio.lowlevel.checkpoint()
        return RecordingIndex(handle, events)

    def build(
        capacity: int = 64, open_index: Callable[[TenantHandle], Awaitable[RecordingIndex]] = open_index
    ) -> TenantLeases:
        built.append(
            TenantLeases(
                home=tmp_path,
                catalog=catalog,
                open_index=open_index,
                capacity=capacity,
                clock=clock,
                reserve_bytes=0,
            )
        )
        return built[-1]

    yield build
    for leases in built:
        await leases.close()


def open_files(folder: Path) -> list[str]:
    links = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
    return [link for link in links if link.startswith(str(folder))]


async def test_leases_at_once_share_one_handle(
    build: Build, catalog: Catalog, events: list[str], tmp_path: Path
) -> None:
    leases, tenant = build(), await catalog.create_tenant("a")
    handles: list[TenantHandle] = []
    everyone, finish = anyio.Event(), anyio.Event()

    async def borrow() -> None:
        async with leases.lease(tenant.id) as handle:
            indexes.add(await handle.index())
            handles.append(handle)
            if len(handles) == 10:
                everyone.set()
            await finish.wait()

    indexes: set[RecordingIndex] = set()
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(borrow)
        await everyone.wait()
        assert len({id(handle) for handle in handles}) == 1
        assert len(indexes) == 1
        assert len(open_files(tmp_path / "tenants")) == DESCRIPTORS_PER_DATABASE
        finish.set()
    assert events == ["open a"]
    assert (handles[0].id, handles[0].name) == (tenant.id, "a")
    assert handles[0].folder == tmp_path / "tenants" / tenant.id


async def test_tenants_do_not_see_each_other(build: Build, catalog: Catalog) -> None:
    leases = build()
    one, two = await catalog.create_tenant("one"), await catalog.create_tenant("two")

    async def content() -> AsyncIterator[bytes]:
        yield b"one's"

    async with leases.lease(one.id) as first, leases.lease(two.id) as second:
        await first.database.write(
            lambda rows: rows.conn.execute("INSERT INTO sessions VALUES ('s', 'en', 'now', '')") and None
        )
        assert await second.database.read(lambda rows: rows.table("sessions").count) == 0
        receipt = await first.blobs.put(content(), limit_bytes=10)
        with pytest.raises(NotFound):
            await second.blobs.read(receipt.sha256)
        name = Path("blobs", receipt.sha256[:2], receipt.sha256)
        shutil.copytree(first.folder / "blobs", second.folder / "blobs", dirs_exist_ok=True)
        assert (second.folder / name).exists()
        with pytest.raises(StorageDamaged):  # the other tenant's key opens nothing
            await second.blobs.read(receipt.sha256)


async def test_nothing_readable_is_in_the_tenants_folder(build: Build, catalog: Catalog) -> None:
    leases, tenant = build(), await catalog.create_tenant("a")

    async def content() -> AsyncIterator[bytes]:
        yield CANARY.encode() * 5000

    async with leases.lease(tenant.id) as handle:
        await handle.database.write(
            lambda rows: (
                rows.conn.execute("INSERT INTO sessions VALUES (?, 'en', 'now', '')", [CANARY]) and None
            )
        )
        await handle.blobs.put(content(), limit_bytes=10**6)
        files = [path for path in handle.folder.rglob("*") if path.is_file()]
        assert len(files) == 4
        assert all(CANARY.encode() not in path.read_bytes() for path in files)


async def test_the_least_recently_used_makes_room(build: Build, catalog: Catalog, events: list[str]) -> None:
    leases = build(capacity=2)
    a, b, c = [await catalog.create_tenant(name) for name in "abc"]
    for tenant in (a, b, a, c):
        async with leases.lease(tenant.id) as handle:
            await handle.index()
    assert events == ["open a", "open b", "close b", "open c"]


async def test_what_is_lent_stays_open_beyond_the_capacity(
    build: Build, catalog: Catalog, tmp_path: Path
) -> None:
    leases = build(capacity=1)
    a, b = await catalog.create_tenant("a"), await catalog.create_tenant("b")
    async with leases.lease(a.id) as first, leases.lease(b.id) as second:
        assert await count_documents(first) == await count_documents(second) == 0
        assert len(open_files(tmp_path / "tenants")) == 2 * DESCRIPTORS_PER_DATABASE
    assert len(open_files(tmp_path / "tenants")) == DESCRIPTORS_PER_DATABASE


async def test_an_idle_index_is_closed_and_opened_again(
    build: Build, catalog: Catalog, clock: Clock, events: list[str]
) -> None:
    leases, tenant = build(), await catalog.create_tenant("a")
    async with leases.lease(tenant.id) as handle:
        await handle.index()
        clock.now_s += 1000
        await leases.close_idle()
        assert events == ["open a"]  # never under its borrower
    clock.now_s += 59.9
    await leases.close_idle()
    assert events == ["open a"]
    clock.now_s += 0.1
    await leases.close_idle()
    await leases.close_idle()
    assert events == ["open a", "close a"]
    async with leases.lease(tenant.id) as again:
        assert again is handle  # the database stayed open
        await again.index()
    assert events == ["open a", "close a", "open a"]


async def test_close_closes_everything_index_first(
    build: Build, catalog: Catalog, events: list[str], tmp_path: Path
) -> None:
    leases, tenant = build(), await catalog.create_tenant("a")
    async with leases.lease(tenant.id) as handle:
        await handle.index()
        await leases.close()  # at shutdown even what is lent
        assert events == ["open a", "close a"]
        assert open_files(tmp_path / "tenants") == []
        with pytest.raises(StorageUnavailable):
            await handle.index()
        with pytest.raises(StorageUnavailable):
            await count_documents(handle)
    await leases.close()
    with pytest.raises(StorageUnavailable):
        async with leases.lease(tenant.id):
            pytest.fail("lent after close")


async def test_an_index_that_fails_to_close_takes_nothing_with_it(
    build: Build, catalog: Catalog, events: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def open_index(handle: TenantHandle) -> RecordingIndex:
        return RecordingIndex(handle, events, fails_to_close=True)

    leases = build(capacity=1, open_index=open_index)
    a, b = await catalog.create_tenant("secret name"), await catalog.create_tenant("b")
    async with leases.lease(a.id) as handle:
        await handle.index()
    with caplog.at_level(logging.WARNING):
        async with leases.lease(b.id) as handle:
            assert await count_documents(handle) == 0
    assert len(open_files(tmp_path / "tenants")) == DESCRIPTORS_PER_DATABASE
    assert a.id in caplog.text
    assert "secret name" not in caplog.text


async def test_a_failed_opening_leaves_no_trace_and_can_be_repeated(build: Build, catalog: Catalog) -> None:
    leases, tenant = build(), await catalog.create_tenant("a")
    with pytest.raises(NotFound):
        async with leases.lease("../../etc"):
            pytest.fail("lent an unknown tenant")

    async def content() -> AsyncIterator[bytes]:
        yield b"x"

    async with leases.lease(tenant.id) as handle:
        await handle.blobs.put(content(), limit_bytes=10)
    await leases.close()
    path = handle.folder / "tenant.sqlite"
    path.rename(path.with_name("moved"))
    leases = build()
    for _ in range(2):
        with pytest.raises(StorageDamaged, match="missing"):
            async with leases.lease(tenant.id):
                pytest.fail("an empty database replaced the lost one")
    assert "moved" not in leases.quarantined[tenant.id]
    path.with_name("moved").rename(path)
    with pytest.raises(StorageDamaged):  # not tried at every request
        async with leases.lease(tenant.id):
            pytest.fail("lent from quarantine")
    leases.end_quarantine(tenant.id)
    async with leases.lease(tenant.id) as handle:
        assert await count_documents(handle) == 0


async def test_a_cancelled_borrower_borrows_nothing(build: Build, catalog: Catalog, tmp_path: Path) -> None:
    leases = build(capacity=1)
    a, b = await catalog.create_tenant("a"), await catalog.create_tenant("b")
    for _ in range(5):
        with anyio.move_on_after(0):
            async with leases.lease(a.id):
                await anyio.sleep_forever()
    async with leases.lease(b.id):
        pass
    assert len(open_files(tmp_path / "tenants")) == DESCRIPTORS_PER_DATABASE  # a was not stuck as lent
