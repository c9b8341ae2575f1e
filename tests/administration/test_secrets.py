"""Secrets are for a tenant's administrators, and nothing is done to them that is not in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from aura_local.accounts.permissions import ROLES, Role
from aura_local.accounts.principal import operator
from aura_local.audit.chain import AuditLog
from aura_local.data_home import DataHome, open_data_home
from aura_local.errors import AuraError, InvalidRequest, NotFound, PermissionDenied
from aura_local.settings import LimitSettings, Settings
from aura_local.storage.tenant_secrets import TenantSecrets

pytestmark = pytest.mark.anyio

VALUE = "sk-kingfisher-7041"


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[DataHome]:
    limits = LimitSettings(disk_reserve_bytes=0)
    settings = Settings(home=tmp_path / "home", master_key_file=tmp_path / "keys" / "key", limits=limits)
    async with open_data_home(settings) as opened:
        yield opened


async def test_acts_are_entered_with_the_name_alone(data: DataHome) -> None:
    tenant = await data.catalog.create_tenant("Museum")
    actor, secrets = operator(tenant.id), data.administration.secrets
    await secrets.put(actor, "openai", VALUE)
    await secrets.put(actor, "openai", VALUE + "2")
    assert [secret.name for secret in await secrets.all(actor)] == ["openai"]
    await secrets.remove(actor, "openai")
    assert await secrets.all(actor) == []
    entries = await AuditLog(data.catalog.database, tenant.id).entries()
    acts = [(entry.actor, entry.action, entry.subject, dict(entry.details)) for entry in entries]
    kept: tuple[object, ...] = ("operator:local", "secret.stored", "openai", {})
    assert acts == [kept, kept, ("operator:local", "secret.removed", "openai", {})]
    assert VALUE not in repr(entries)


async def test_what_is_refused_is_not_entered(data: DataHome) -> None:
    tenant = await data.catalog.create_tenant("Museum")
    actor, secrets = operator(tenant.id), data.administration.secrets
    for name, value in (("Not A Name", VALUE), ("openai", "two\nlines")):
        with pytest.raises(InvalidRequest):
            await secrets.put(actor, name, value)
    with pytest.raises(NotFound):
        await secrets.remove(actor, "openai")
    assert await AuditLog(data.catalog.database, tenant.id).entries() == []


async def test_without_an_entry_nothing_is_stored_nor_removed(data: DataHome) -> None:
    tenant = await data.catalog.create_tenant("Museum")
    actor, secrets = operator(tenant.id), data.administration.secrets
    await secrets.put(actor, "openai", VALUE)
    await data.catalog.database.write(
        lambda rows: (
            rows.execute(
                "CREATE TRIGGER full BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'no more'); END"
            )
            and None
        )
    )
    for act in (secrets.put(actor, "openai", "sk-other"), secrets.remove(actor, "openai")):
        with pytest.raises(Exception, match=r"no more"):
            await act
    async with data.leases.lease(tenant.id) as handle:
        assert await TenantSecrets(handle.database).read("openai") == VALUE


@pytest.mark.parametrize("role", [role for role in ROLES if role != "admin"])
async def test_only_administrators_of_a_tenant_may(data: DataHome, role: Role) -> None:
    tenant = await data.catalog.create_tenant("Museum")
    actor = replace(operator(tenant.id), role=role, permissions=ROLES[role])
    secrets = data.administration.secrets
    for act in (secrets.all(actor), secrets.put(actor, "openai", VALUE), secrets.remove(actor, "openai")):
        with pytest.raises(PermissionDenied):
            await act
    with pytest.raises(AuraError):
        await secrets.all(operator())
