"""The demo tenant: complete, made once, taken up again where it was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.demo_tenant import DEMO_TENANT, START_PAGE_LABEL, demo_documents, demo_key, ensure_demo_tenant
from aura_local.errors import AuthenticationFailed, NotFound
from tests.support.engine import open_scripted_engine

pytestmark = pytest.mark.anyio


async def test_all_documents_are_indexed_once(tmp_path: Path) -> None:
    shown: list[tuple[str, int, int]] = []
    names = [path.name for path in demo_documents()]
    assert len(names) >= 12
    async with open_scripted_engine(tmp_path) as engine:
        tenant, created = await ensure_demo_tenant(engine, progress=lambda *step: shown.append(step))
        assert (tenant.name, created) == (DEMO_TENANT, True)
        assert shown == [(name, done, len(names)) for done, name in enumerate(names)]
        async with engine.leases.lease(tenant.id) as handle:
            first = await engine.ingestion.list(handle)
        assert sorted(record.name for record in first) == sorted(names)
        assert {record.status for record in first} == {"indexed"}
        assert {record.audience for record in first} == {"public"}

        shown.clear()
        again, created = await ensure_demo_tenant(engine, progress=lambda *step: shown.append(step))
        assert (again, created, shown) == (tenant, False, [])
        async with engine.leases.lease(tenant.id) as handle:
            assert await engine.ingestion.list(handle) == first


async def test_an_interrupted_run_is_taken_up_again(tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def stop_at_third(_name: str, done: int, _total: int) -> None:
        if done == 2:
            raise Interrupted

    async with open_scripted_engine(tmp_path) as engine:
        with pytest.raises(Interrupted):
            await ensure_demo_tenant(engine, progress=stop_at_third)
        todo: list[int] = []
        tenant, created = await ensure_demo_tenant(engine, progress=lambda _, done, __: todo.append(done))
        assert not created
        assert todo == list(range(2, len(demo_documents())))
        async with engine.leases.lease(tenant.id) as handle:
            assert len(await engine.ingestion.list(handle)) == len(demo_documents())


async def test_a_new_key_replaces_the_earlier_one_and_no_other(tmp_path: Path) -> None:
    from aura_local.accounts.api_keys import ApiKeys

    async with open_scripted_engine(tmp_path) as engine:
        with pytest.raises(NotFound):
            await demo_key(engine)
        tenant = await engine.catalog.create_tenant(DEMO_TENANT)
        own = await ApiKeys(engine.catalog.database).issue(tenant.id, "till")
        first = await demo_key(engine)
        second = await demo_key(engine)
        with pytest.raises(AuthenticationFailed):
            await engine.authenticate(first)
        principal = await engine.authenticate(second)
        assert (principal.tenant_id, principal.label) == (tenant.id, START_PAGE_LABEL)
        assert (await engine.authenticate(own.key)).tenant_id == tenant.id
