"""Eight tenants in one server, each with a secret word that no other may ever get. Layer 4.

Every question is asked twice: alone, and among all the others. Both must be answered by the same bytes.
"""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import anyio

from aura_local.benchmark.canary_tenants import SPOKEN, TENANTS, CanaryTenant, fill, make_canary_tenants
from aura_local.benchmark.canary_watch import CanaryWatch
from aura_local.benchmark.http_access import EVENT_STREAM, HttpAccess
from aura_local.benchmark.labelled_speech import Utterance, UtteranceMaker, open_speaker
from aura_local.benchmark.restarting_server import RestartingServer, settings_of
from aura_local.benchmark.spoken_pair import ask_aloud
from aura_local.data_home import open_data_home
from aura_local.ports import SPEECH_RATE_HZ, Samples
from aura_local.storage.tenant_export import export_tenant

SPOKEN_EVERY: Final = 6
"""One of so many questions is asked aloud."""
AT_ONCE: Final = TENANTS
SETTINGS: Final = {"AURA_LOG_LEVEL": "debug", "AURA_LIMITS__RESUME_S": "0.5"}


@dataclass(slots=True)
class CanaryReport:
    """What came of it."""

    seed: int
    pairs: int = 0
    spoken: int = 0
    looked_at_bytes: int = 0
    answered: int = 0
    """Pairs that were answered from a document."""
    same_audio: int = 0
    """Spoken pairs whose audio is the same too, as far as both were heard."""
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pair:
    number: int
    tenant: CanaryTenant

    @property
    def spoken(self) -> bool:
        return self.number % SPOKEN_EVERY == SPOKEN_EVERY - 1

    @property
    def in_pieces(self) -> bool:
        """Asked for as server-sent events."""
        return self.number % 2 == 1


@dataclass(frozen=True, slots=True)
class _Told:
    """An answer, without what names this one asking: conversation and times."""

    content: str
    answered: bool
    audio: bytes = b""


async def run_canaries(folder: Path, *, pairs: int, seed: int) -> CanaryReport:
    """Ask `pairs` conversations alone and interleaved, on a server of its own in `folder`."""
    report = CanaryReport(seed, pairs)
    tenants = await make_canary_tenants(folder)
    watch = CanaryWatch({tenant.access.id: tenant.canary for tenant in tenants})
    server = RestartingServer(folder, settings=SETTINGS, options=("--json-logs",))
    async with open_speaker() as speaker:
        maker = UtteranceMaker(speaker, seed=seed)
        utterances = await maker.make(SPOKEN, paused_share=0)
        silence = maker.room(SPEECH_RATE_HZ)
    try:
        await server.start()
        asking = _Asking(server, watch, tenants, utterances, silence)
        documents = {tenant.place: await fill(tenant, asking.http[tenant.place]) for tenant in tenants}
        asked = [_Pair(number, tenants[number % TENANTS]) for number in range(pairs)]
        alone = {pair.number: await asking.ask(pair) for pair in asked}
        random.Random(seed).shuffle(asked)  # noqa: S311 - to be repeated, not to be secret
        among = await asking.ask_at_once(asked)
        await _ask_for_foreign_documents(asking, documents, report)
        await _look_at_lists(asking)
    finally:
        await server.stop()
    for number, first in alone.items():
        second = among[number]
        report.answered += first.answered
        report.spoken += bool(first.audio)
        if first.content != second.content:
            report.wrong.append(f"pair {number} (seed {seed}) is answered otherwise among the others")
        heard = min(len(first.audio), len(second.audio))
        report.same_audio += bool(heard) and first.audio[:heard] == second.audio[:heard]
    report.wrong += [f"{name} never got its own word" for name in watch.canaries.keys() - watch.own]
    await _look_at_archives(folder, watch, tenants)
    watch.look(None, "the log", server.log.read_bytes())
    watch.look_at_names(folder / "home")
    watch.look_at_files(folder / "home")
    report.wrong += watch.found
    report.looked_at_bytes = watch.looked_at_bytes
    return report


class _Asking:
    """Asks a server, and lets the watch see every byte that it sends."""

    def __init__(
        self,
        server: RestartingServer,
        watch: CanaryWatch,
        tenants: Sequence[CanaryTenant],
        utterances: Sequence[Utterance],
        silence: Samples,
    ) -> None:
        self.watch = watch
        self.http = [
            HttpAccess(
                server.url,
                tenant.access.key,
                on_answer=partial(watch.look_at_answer, tenant.access.id),
            )
            for tenant in tenants
        ]
        self._server = server
        self._utterances = utterances
        self._silence = silence

    async def ask(self, pair: _Pair) -> _Told:
        return await (self._aloud(pair) if pair.spoken else self._typed(pair))

    async def ask_at_once(self, pairs: Sequence[_Pair]) -> dict[int, _Told]:
        """In this order, as many at once as there are tenants; by number."""
        told: dict[int, _Told] = {}
        places = anyio.CapacityLimiter(AT_ONCE)

        async def one(pair: _Pair) -> None:
            async with places:
                told[pair.number] = await self.ask(pair)

        async with anyio.create_task_group() as tasks:
            for pair in pairs:
                tasks.start_soon(one, pair)
        return told

    async def _typed(self, pair: _Pair) -> _Told:
        http, session, contents, answered = self.http[pair.tenant.place], None, [], False
        accept = EVENT_STREAM if pair.in_pieces else "application/json"
        for question in pair.tenant.questions(pair.number):
            reply = await http.post("/api/chat", accept, question=question, session_id=session)
            assert reply.done, reply.status
            body = json.loads(reply.body.rpartition(b"event: done\ndata: ")[2])
            session, answered = body["session_id"], bool(body["answered"])
            contents.append({name: body[name] for name in ("answer", "answered", "citations")})
        return _Told(json.dumps(contents, sort_keys=True), answered)

    async def _aloud(self, pair: _Pair) -> _Told:
        utterance = self._utterances[pair.number // SPOKEN_EVERY % len(self._utterances)]
        access = pair.tenant.access
        heard = await ask_aloud(self._server.with_key(access.key), utterance, self._silence)
        self.watch.look(access.id, "a socket", heard.received)
        return _Told(f"{heard.heard}\n{heard.answer}\n{heard.citations}", bool(heard.citations), heard.audio)


async def _ask_for_foreign_documents(
    asking: _Asking, documents: dict[int, Sequence[str]], report: CanaryReport
) -> None:
    """By ids that are right, with keys of others: there is no such document."""
    for place, ids in documents.items():
        for document_id in ids:
            for path in (f"/api/documents/{document_id}", f"/api/documents/{document_id}/original"):
                answer = await asking.http[(place + 1) % TENANTS].get(path)
                if answer.status != 404:
                    report.wrong.append(f"another tenant's document is answered with {answer.status}")


async def _look_at_lists(asking: _Asking) -> None:
    """Everything that a tenant can have listed or exported; metrics belong to nobody."""
    for http in asking.http:
        for path in ("documents", "users", "keys", "usage", "audit", "audit/export", "audit/verification"):
            await http.get(f"/api/{path}")
        await http.get("/api/usage", "text/csv")
    metrics = await asking.http[0].get("/metrics")
    asking.watch.look(None, "/metrics", metrics.body)


async def _look_at_archives(folder: Path, watch: CanaryWatch, tenants: Sequence[CanaryTenant]) -> None:
    """Each tenant's export, member by member."""
    async with open_data_home(settings_of(folder)) as data:
        for tenant in tenants:
            target = folder / f"export-{tenant.place}.zip"
            async with data.leases.lease(tenant.access.id) as handle:
                await export_tenant(handle, data.catalog, target)
            with zipfile.ZipFile(target) as archive:
                for member in archive.namelist():
                    watch.look(tenant.access.id, f"{member} of an export", archive.read(member))
            target.unlink()
