"""Uploads documents that nobody would wish for, and watches what they do to the server. Layer 4."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio
import anyio.to_thread

from aura_local.benchmark.bad_files import Outcome
from aura_local.benchmark.child_processes import descendants, outlasting
from aura_local.benchmark.http_access import Answer, HttpAccess
from aura_local.benchmark.made_documents import MAKERS
from aura_local.benchmark.process_figures import MB, look_at
from aura_local.benchmark.server_process import RunningServer

READ_WITHIN_S: Final = 62.0
"""The limit of a worker, and two seconds."""
INDEXED_WITHIN_S: Final = 180.0
GROWTH_MB: Final = 20.0
SETTLED_WITHIN_S: Final = 20.0
"""The server gives freed memory back to the system every 15 s."""
LOOK_EVERY_S: Final = 0.05
REFUSALS: Final = (400, 413, 415, 422)
WARM_LINES: Final = [f"The parrot of room {number} sleeps until noon." for number in range(40)]
WARM_ROUNDS: Final = 2


@dataclass(slots=True)
class HostileReport:
    """What became of the files and of the server."""

    outcomes: list[Outcome] = field(default_factory=list)
    resident_before_mb: float = 0.0
    """After a warm-up with sound documents of every kind."""
    resident_after_mb: float = 0.0
    processes_left: int = 0
    """Workers that outlive their document."""
    wrong: list[str] = field(default_factory=list)

    @property
    def growth_mb(self) -> float:
        return round(self.resident_after_mb - self.resident_before_mb, 1)

    @property
    def slowest_s(self) -> float:
        return max((outcome.seconds for outcome in self.outcomes), default=0.0)


async def send_hostile(
    server: RunningServer,
    files: Mapping[str, Callable[[], bytes]],
    *,
    until_indexed: bool,
    tell: Callable[[Outcome], None] | None = None,
) -> HostileReport:
    """Upload every file, wait for its end, and delete it.

    A file that a reader makes something of in time has harmed nobody: unless `until_indexed`, what is read
    is not waited for any longer. `tell` is called with each outcome at once.
    """
    http, report = HttpAccess(server.url, server.key), HostileReport()
    for _ in range(WARM_ROUNDS):
        for suffix, made in MAKERS.items():
            await _send(http, f"warm{suffix}", made(WARM_LINES), until_indexed=True)
    before = descendants(server.process_id)
    report.resident_before_mb = _resident_mb(server)
    for name, make in files.items():
        content = await anyio.to_thread.run_sync(make)
        outcome = await _send(http, name, content, until_indexed=until_indexed)
        report.outcomes.append(outcome)
        if tell is not None:
            tell(outcome)
        if not outcome.clear:
            report.wrong.append(f"{name}: {outcome.result} {outcome.message}")
    report.processes_left = len(await outlasting(descendants(server.process_id) - before))
    report.resident_after_mb = await _settled_mb(server, report.resident_before_mb + GROWTH_MB)
    if report.processes_left:
        report.wrong.append(f"{report.processes_left} processes are left")
    if report.growth_mb > GROWTH_MB:
        report.wrong.append(f"the server's memory has grown by {report.growth_mb} MB")
    return report


async def _send(http: HttpAccess, name: str, content: bytes, *, until_indexed: bool) -> Outcome:
    within_s = INDEXED_WITHIN_S if until_indexed else READ_WITHIN_S
    working = ("received", "parsing", "embedding") if until_indexed else ("received", "parsing")
    began_s = time.monotonic()
    answer = await http.upload(name.rpartition("/")[2], content)
    status, message, document_id = _meaning(answer)
    while status in working and time.monotonic() - began_s <= within_s:
        await anyio.sleep(LOOK_EVERY_S)
        status, message, _ = _meaning(await http.get(f"/api/documents/{document_id}"))
    seconds = round(time.monotonic() - began_s, 2)
    if document_id:
        await http.delete(f"/api/documents/{document_id}")
    clear = status not in working and (status in ("indexed", "embedding") or bool(message))
    return Outcome(name, status, message, seconds, clear)


def _meaning(answer: Answer) -> tuple[str, str, str]:
    """Status or code, the reason, and the id of a document that was accepted."""
    if answer.done:
        document = answer.json
        return document["status"], document["reason"] or "", document["id"]
    if answer.status in REFUSALS:
        return answer.json["error"]["code"], answer.json["error"]["message"], ""
    return f"HTTP {answer.status}", "", ""


def _resident_mb(server: RunningServer) -> float:
    return round(look_at(server.process_id).resident_bytes / MB, 1)


async def _settled_mb(server: RunningServer, bound_mb: float) -> float:
    until_s = time.monotonic() + SETTLED_WITHIN_S
    while True:
        now_mb = _resident_mb(server)
        if now_mb <= bound_mb or time.monotonic() > until_s:
            return now_mb
        await anyio.sleep(LOOK_EVERY_S)
