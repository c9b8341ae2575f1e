"""Tenants moved to another installation, then erased; what a thief of the disk finds. Layer 4."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from aura_local.accounts.permissions import ROLES
from aura_local.accounts.principal import operator
from aura_local.audit.chain import PLATFORM, AuditLog
from aura_local.benchmark.canary_tenants import TYPED, CanaryTenant, fill, make_canary_tenants
from aura_local.benchmark.canary_watch import CanaryWatch
from aura_local.benchmark.http_access import HttpAccess
from aura_local.benchmark.restarting_server import RestartingServer, settings_of
from aura_local.data_home import open_data_home
from aura_local.errors import NotFound
from aura_local.storage.tenant_export import export_tenant
from aura_local.storage.tenant_import import import_tenant


@dataclass(slots=True)
class RoundTripReport:
    """What came of it."""

    tenants: int = 0
    questions: int = 0
    same: int = 0
    """Answered by the same text with the same citations on both installations."""
    searched_bytes: int = 0
    """Of data folders, without their keys."""
    wrong: list[str] = field(default_factory=list)


async def run_round_trip(folder: Path, *, tenants: int) -> RoundTripReport:
    """Move tenants from `folder`/here to `folder`/there, under another master key; erase them here."""
    report = RoundTripReport(tenants)
    here, there = folder / "here", folder / "there"
    moving = (await make_canary_tenants(here))[:tenants]
    watch = CanaryWatch({tenant.access.id: tenant.canary for tenant in moving})
    before = await _answers(here, moving, {tenant.place: tenant.access.key for tenant in moving}, first=True)
    watch.look_at_files(here / "home")  # a thief of the disk, before anything is erased
    keys = await _move(moving, here, there, watch)
    after = await _answers(there, moving, keys, first=False)
    for question, answer in before.items():
        report.questions += 1
        report.same += answer == after[question]
        if answer != after[question]:
            report.wrong.append(
                f"tenant {question[0]}, question {question[1]}: another answer after the move"
            )
    await _erase(here, moving, report)
    for place in (here, there):
        watch.look_at_files(place / "home")
    report.wrong += watch.found
    report.wrong += [f"the archive of {name} is empty" for name in watch.canaries.keys() - watch.own]
    report.searched_bytes = watch.looked_at_bytes
    return report


async def _answers(
    place: Path, tenants: list[CanaryTenant], keys: dict[int, str], *, first: bool
) -> dict[tuple[int, int], str]:
    """Every typed question to every tenant, on a server of its own."""
    await anyio.Path(place).mkdir(parents=True, exist_ok=True)
    server = RestartingServer(place)
    told: dict[tuple[int, int], str] = {}
    try:
        await server.start()
        for tenant in tenants:
            http = HttpAccess(server.url, keys[tenant.place])
            if first:
                await fill(tenant, http)
            for number in range(len(TYPED)):
                bodies = [
                    (await http.post("/api/chat", question=question)).json
                    for question in tenant.questions(number)
                ]
                told[tenant.place, number] = json.dumps(
                    [(body["answer"], body["citations"]) for body in bodies], sort_keys=True
                )
    finally:
        await server.stop()
    return told


async def _move(tenants: list[CanaryTenant], here: Path, there: Path, watch: CanaryWatch) -> dict[int, str]:
    """Keys of the tenants over there, by place."""
    keys: dict[int, str] = {}
    async with open_data_home(settings_of(here)) as old, open_data_home(settings_of(there)) as new:
        for tenant in tenants:
            archive = here / f"moving-{tenant.place}.zip"
            async with old.leases.lease(tenant.access.id) as handle:
                await export_tenant(handle, old.catalog, archive)
            with zipfile.ZipFile(archive) as members:
                for name in members.namelist():
                    watch.look(tenant.access.id, f"{name} of an export", members.read(name))
            moved = await import_tenant(new.catalog, new.leases, archive, tenant.access.name)
            archive.unlink()
            issued = await new.administration.keys.create(
                operator(moved.id), "moved", scopes=frozenset(ROLES["service"])
            )
            keys[tenant.place] = issued.key
    return keys


async def _erase(place: Path, tenants: list[CanaryTenant], report: RoundTripReport) -> None:
    async with open_data_home(settings_of(place)) as data:
        for tenant in tenants:
            tenant_id = tenant.access.id
            folder = data.leases.folder(tenant_id)
            await data.administration.tenants.erase(operator(), tenant_id)
            if folder.exists():
                report.wrong.append("an erased tenant still has a folder")
            try:
                await data.catalog.tenant_key(tenant_id)
                report.wrong.append("an erased tenant still has a key")
            except NotFound:
                pass
        receipts = [
            entry.subject
            for entry in await AuditLog(data.catalog.database, PLATFORM).entries(limit=1000)
            if entry.action == "tenant.erased"
        ]
        if sorted(receipts) != sorted(tenant.access.id for tenant in tenants):
            report.wrong.append("the audit log has no receipt of every erasure")
        if (await AuditLog(data.catalog.database, PLATFORM).verify()).broken_at is not None:
            report.wrong.append("the platform's audit chain is broken")
