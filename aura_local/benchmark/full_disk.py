"""A server whose disk is full: what it refuses, what it still answers, what it has lost. Layer 4."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from aura_local.benchmark.crash_clients import GARDEN, PASSWORD, QUESTION
from aura_local.benchmark.crash_journal import TenantJournal, new_journal, told_turn
from aura_local.benchmark.crash_survey import survey
from aura_local.benchmark.http_access import Answer, HttpAccess
from aura_local.benchmark.restarting_server import RestartingServer, settings_of
from aura_local.benchmark.small_disk import Filler, run_on_small_disk
from aura_local.benchmark.torture_tenants import make_tenants
from aura_local.data_home import open_data_home
from aura_local.errors import StorageFull, StorageUnavailable
from aura_local.storage.backups import back_up
from aura_local.storage.tenant_export import export_tenant

DISK_MIB: Final = 32
UPLOAD_BYTES: Final = 300_000
MOST_TRIES: Final = 400
"""A write may still fit into room that SQLite holds already; sooner or later none does."""
WORKS_AGAIN_WITHIN_S: Final = 10.0
REFUSALS: Final = (503, 507)
EMAIL: Final = "first@example.org"
READS: Final = ("documents", "users", "keys", "usage", "audit", "audit/verification", "me")
_MAIN: Final = "from aura_local.benchmark.full_disk import main; main()"


@dataclass(slots=True)
class FullDiskReport:
    """What came of it."""

    disk_mib: int = DISK_MIB
    filled_bytes: int = 0
    refused_with: dict[str, int] = field(default_factory=dict)
    """Status of the refusal by write path; 0 is an error of a command."""
    done_before: dict[str, int] = field(default_factory=dict)
    """Writes that still found room on the full disk; they are kept too."""
    works_again_s: float = 0.0
    """After there is room: until every write path has worked, the slowest."""
    wrong: list[str] = field(default_factory=list)


async def run_full_disk(folder: Path, *, disk_mib: int = DISK_MIB) -> FullDiskReport:
    """In a namespace of its own, on a disk that is `folder`/disk there. Raises `ConfigurationError`."""
    disk, log = folder / "disk", folder / "server.log"
    said = await anyio.to_thread.run_sync(
        run_on_small_disk, disk, disk_mib, _MAIN, str(disk), str(log), str(disk_mib)
    )
    return FullDiskReport(**json.loads(said))


def main() -> None:
    """Inside of the namespace: the report as JSON on standard output."""
    disk, log, disk_mib = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    report = anyio.run(_fill_and_write, disk, log, disk_mib)
    sys.stdout.write(json.dumps(asdict(report)))


async def _fill_and_write(disk: Path, log: Path, disk_mib: int) -> FullDiskReport:
    report = FullDiskReport(disk_mib)
    (tenant,) = await make_tenants(disk, ["full"])
    journal, server, filler = new_journal(tenant), RestartingServer(disk, log=log), Filler(disk)
    try:
        await server.start()
        writing = _Writing(journal, server.url)
        for name, write in writing.paths.items():
            if not (await write()).done:
                report.wrong.append(f"{name} does not even work with room")
        report.filled_bytes = filler.fill()
        for name, write in writing.paths.items():
            await _until_refused(name, write, report)
            await _reads_work(HttpAccess(server.url, tenant.key), report, name)
        for name, command in (("export", _export), ("backup", _back_up)):
            await _refused_command(name, command, disk, journal, report)
        filler.remove()
        for name, write in writing.paths.items():
            await _works_again(name, write, report)
        for command in (_export, _back_up):
            await command(disk, journal)
        await server.stop()
        report.wrong += await survey(disk, [journal], every_byte=True)
    finally:
        await server.kill()
    return report


class _Writing:
    """Each way in which a client makes the server write, with what it was promised in a journal."""

    def __init__(self, journal: TenantJournal, url: str) -> None:
        self._journal = journal
        self._http = HttpAccess(url, journal.tenant.key)
        self._anonymous = HttpAccess(url)
        self.paths: dict[str, Callable[[], Awaitable[Answer]]] = {
            "upload": self._upload,
            "chat turn and ledger": self._ask,
            "invitation": self._invite,
            "user": self._redeem,
            "login": self._log_in,
            "key": self._make_key,
            "audit log": self._export_audit_log,
        }
        self._secret = ""

    async def _upload(self) -> Answer:
        name = f"{secrets.token_hex(8)}.md"
        content = GARDEN + secrets.token_hex(UPLOAD_BYTES // 2).encode()
        self._journal.offered.add(name)
        answer = await self._http.upload(name, content)
        if answer.done:
            self._journal.documents[name] = content
        return answer

    async def _ask(self) -> Answer:
        self._journal.asked += 1
        answer = await self._http.post("/api/chat", question=QUESTION)
        if answer.done:
            session_id, turn = told_turn(answer.json)
            self._journal.turns[session_id] = turn
        return answer

    async def _invite(self) -> Answer:
        email = EMAIL if not self._journal.invited else f"{secrets.token_hex(8)}@example.org"
        answer = await self._http.post("/api/users", email=email, role="member")
        if answer.done:
            self._journal.invited.add(email)
            self._secret, self._email = answer.json["secret"], email
        return answer

    async def _redeem(self) -> Answer:
        """With the link of the last invitation; a link that was used before is as good as refused."""
        answer = await self._anonymous.post(
            "/api/links", secret=self._secret, password=PASSWORD, name="somebody"
        )
        if answer.done:
            self._journal.people.add(self._email)
            await self._invite()
        return answer

    async def _log_in(self) -> Answer:
        answer = await self._anonymous.post("/api/login", email=EMAIL, password=PASSWORD)
        if answer.done:
            self._journal.refresh_tokens[EMAIL] = answer.json["refresh_token"]
        return answer

    async def _make_key(self) -> Answer:
        label = secrets.token_hex(8)
        answer = await self._http.post("/api/keys", label=label)
        if answer.done:
            self._journal.keys[answer.json["id"]] = label
        return answer

    async def _export_audit_log(self) -> Answer:
        return await self._http.get("/api/audit/export")


async def _until_refused(name: str, write: Callable[[], Awaitable[Answer]], report: FullDiskReport) -> None:
    for tries in range(MOST_TRIES):
        answer = await write()
        if answer.done:
            continue
        report.refused_with[name], report.done_before[name] = answer.status, tries
        if answer.status not in REFUSALS:
            report.wrong.append(f"{name} is refused with {answer.status} on a full disk")
        return
    report.wrong.append(f"{name} was done {MOST_TRIES} times on a full disk")


async def _reads_work(http: HttpAccess, report: FullDiskReport, after: str) -> None:
    for path in READS:
        answer = await http.get(f"/api/{path}")
        if not answer.done:
            report.wrong.append(f"after {after}, /api/{path} answers {answer.status} on a full disk")
    for document in (await http.get("/api/documents")).json["documents"][:1]:
        if not (await http.get(f"/api/documents/{document['id']}/original")).done:
            report.wrong.append(f"after {after}, a document cannot be read on a full disk")


async def _export(disk: Path, journal: TenantJournal) -> None:
    async with open_data_home(settings_of(disk)) as data, data.leases.lease(journal.tenant.id) as handle:
        await export_tenant(handle, data.catalog, disk / "archive.zip")


async def _back_up(disk: Path, _journal: TenantJournal) -> None:
    async with open_data_home(settings_of(disk)) as data:
        await back_up(data.catalog, data.leases, data.master_key, disk / "backup")


async def _refused_command(
    name: str,
    command: Callable[[Path, TenantJournal], Awaitable[None]],
    disk: Path,
    journal: TenantJournal,
    report: FullDiskReport,
) -> None:
    before = await anyio.to_thread.run_sync(_names, disk)
    try:
        await command(disk, journal)
        report.wrong.append(f"{name} was written to a full disk")
    except (StorageFull, StorageUnavailable):
        report.refused_with[name] = 0
    if left := await anyio.to_thread.run_sync(_names, disk) - before:
        report.wrong.append(f"{name} left {sorted(left)} on a full disk")


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def _works_again(name: str, write: Callable[[], Awaitable[Answer]], report: FullDiskReport) -> None:
    began_s = time.monotonic()
    while not (answer := await write()).done:
        if time.monotonic() - began_s > WORKS_AGAIN_WITHIN_S:
            report.wrong.append(f"{name} answers {answer.status} although there is room again")
            return
        await anyio.sleep(0.1)
    report.works_again_s = round(max(report.works_again_s, time.monotonic() - began_s), 2)
