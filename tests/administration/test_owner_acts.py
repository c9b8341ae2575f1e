"""What only the platform's owner may do is refused to a tenant's administrator, and then leaves no trace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from aura_local.accounts.principal import Principal, operator
from aura_local.administration import master_key
from aura_local.audit.chain import AuditLog
from aura_local.data_home import DataHome, open_data_home
from aura_local.errors import PermissionDenied
from aura_local.settings import LimitSettings, Settings
from aura_local.storage.catalog import Tenant

pytestmark = pytest.mark.anyio

Act = Callable[[DataHome, Principal, Tenant, Path], Awaitable[object]]

ACTS: dict[str, Act] = {
    "import": lambda data, actor, _, path: data.administration.tenants.import_archive(actor, path, "New"),
    "export of another": lambda data, actor, other, path: data.administration.tenants.export(
        actor, other.id, path / "archive.zip"
    ),
    "rotate key": lambda data, actor, other, _: data.administration.tenants.rotate_key(actor, other.id),
    "backup": lambda data, actor, _, path: data.administration.backups.make(actor, path / "backup"),
    "restore": lambda data, actor, other, path: data.administration.backups.restore_tenant(
        actor, path, other.id
    ),
    "record": lambda data, actor, _, __: data.administration.backups.record_restoration(actor, made_at=""),
    "set-up link": lambda data, actor, _, __: data.administration.people.setup_link(actor),
    "rotate master": lambda _, actor, __, path: master_key.rotate_master(
        actor, path, path / "key", passphrase=None
    ),
    "seal": lambda data, actor, _, path: master_key.seal(
        actor, data.catalog, path, path / "key", "long enough words"
    ),
    "unseal": lambda data, actor, _, path: master_key.unseal(
        actor, data.catalog, path, path / "key", "long enough words"
    ),
    "passphrase": lambda data, actor, _, path: master_key.change_passphrase(
        actor, data.catalog, path, "long enough words", "other long words"
    ),
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    limits = LimitSettings(disk_reserve_bytes=0)
    return Settings(home=tmp_path / "home", master_key_file=tmp_path / "keys" / "key", limits=limits)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
async def test_an_administrator_of_a_tenant_is_refused(settings: Settings, tmp_path: Path, act: Act) -> None:
    (tmp_path / "elsewhere").mkdir()
    async with open_data_home(settings) as data:
        own = await data.catalog.create_tenant("Own")
        other = await data.catalog.create_tenant("Other")
        with pytest.raises(PermissionDenied):
            await act(data, operator(own.id), other, tmp_path / "elsewhere")
        for chain in ("platform", own.id, other.id):
            assert await AuditLog(data.catalog.database, chain).entries() == []
        assert len(await data.catalog.tenants()) == 2
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_a_tenants_administrator_exports_that_tenant(settings: Settings, tmp_path: Path) -> None:
    async with open_data_home(settings) as data:
        own = await data.catalog.create_tenant("Own")
        await data.administration.tenants.export(operator(own.id), own.id, tmp_path / "own.zip")
        (entry,) = await AuditLog(data.catalog.database, own.id).entries()
        assert (entry.action, entry.subject) == ("tenant.exported", own.id)
    assert (tmp_path / "own.zip").is_file()
