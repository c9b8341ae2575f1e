"""Tenants out of the server and into it, and backups of everything. Layer 5.

An archive is readable without AURA Local: it lies unencrypted in the system's folder for temporary files
while it is sent or read, where nobody else can open it, and is removed afterwards in any case.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from aura_local.errors import Conflict, InvalidRequest, PayloadTooLarge
from aura_server.json_body import RequestBody, read_json
from aura_server.multipart_upload import open_upload
from aura_server.operations import Operation, json_answer
from aura_server.tenant_routes import TenantShown

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine

IMPORT_PATH: Final = "/api/archives"
ZIP: Final = "application/zip"


class BackupRequest(RequestBody):
    """The folder to make, inside of the one that the settings name."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")


class BackupMade(BaseModel):
    """A backup that is whole and on the disk."""

    name: str


def archive_operations(engine: Engine) -> list[Operation]:
    """Archives, backups and key rotation."""
    tenants = engine.administration.tenants
    backups = engine.administration.backups
    settings = engine.settings

    async def export(request: Request, principal: Principal) -> ASGIApp:
        tenant = await tenants.one(principal, request.path_params["tenant_id"])
        return _Archive(lambda target: _export(principal, tenant.id, target))

    async def export_own(_request: Request, principal: Principal) -> ASGIApp:
        return _Archive(lambda target: _export(principal, principal.tenant, target))

    async def _export(principal: Principal, tenant_id: str, target: Path) -> None:
        await tenants.export(principal, tenant_id, target)

    async def import_archive(request: Request, principal: Principal) -> ASGIApp:
        name = request.query_params.get("name", "")
        file = await open_upload(request)
        async with _folder() as folder:
            source = folder / "tenant.zip"
            await _save(file.chunks, source, settings.limits.archive_bytes)
            tenant = await tenants.import_archive(principal, source, name)
        return json_answer(TenantShown.model_validate(tenant), 201)

    async def rotate(request: Request, principal: Principal) -> ASGIApp:
        await tenants.rotate_key(principal, request.path_params["tenant_id"])
        return Response(status_code=204)

    async def back_up(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, BackupRequest)
        if settings.backup_folder is None:
            raise Conflict("No folder for backups is set; name one with backup_folder in aura.toml.")
        await backups.make(principal, settings.backup_folder / asked.name)
        return json_answer(BackupMade(name=asked.name), 201)

    one = "/api/tenants/{tenant_id}"
    return [
        Operation(
            "POST",
            f"{one}/archive",
            "A portable archive of a tenant, readable without AURA Local; entered in the tenant's audit log.",
            {200: ZIP},
            for_principal=export,
            needs="platform.manage",
            failures=(404, 507),
        ),
        Operation(
            "POST",
            "/api/tenant/archive",
            "The same of one's own tenant.",
            {200: ZIP},
            for_principal=export_own,
            needs="tenant.manage",
            failures=(507,),
        ),
        Operation(
            "POST",
            IMPORT_PATH,
            "A new tenant of an archive, of this or another installation.",
            {201: TenantShown},
            for_principal=import_archive,
            needs="platform.manage",
            failures=(400, 408, 409, 413, 415, 422, 507),
            body="multipart/form-data",
            query={"name": "Name of the new tenant."},
        ),
        Operation(
            "POST",
            f"{one}/key-rotation",
            "A new key for the tenant's database and files.",
            {204: None},
            for_principal=rotate,
            needs="platform.manage",
            failures=(404, 409, 507),
        ),
        Operation(
            "POST",
            "/api/backups",
            "Back up everything, while it runs, into a new folder below `backup_folder`.",
            {201: BackupMade},
            for_principal=back_up,
            needs="platform.manage",
            failures=(400, 409, 415, 507),
            body=BackupRequest,
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Archive:
    """Makes an archive, sends it, and removes it."""

    make: Callable[[Path], Awaitable[None]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with _folder() as folder:
            target = folder / "tenant.zip"
            await self.make(target)
            await FileResponse(target, media_type=ZIP, filename="tenant.zip")(scope, receive, send)


@asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    """A folder of mode 0700 that is gone after the block, cancelled or not."""
    folder = await anyio.to_thread.run_sync(lambda: TemporaryDirectory(prefix="aura-"))
    try:
        yield Path(folder.name)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(folder.cleanup)


async def _save(chunks: AsyncIterator[bytes], target: Path, limit_bytes: int) -> None:
    size_bytes = 0
    async with await anyio.open_file(target, "wb") as file:
        async for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes > limit_bytes:
                raise PayloadTooLarge(f"An archive has at most {limit_bytes} bytes.")
            await file.write(chunk)
    if not size_bytes:
        raise InvalidRequest("The archive is empty.")
