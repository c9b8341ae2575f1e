"""Clients that upload, change and delete planned documents until their server dies. Layer 4.

What was cut off is asked for again at the next server, as a client does that never heard an answer.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio

from aura_local.benchmark.http_access import Answer, HttpAccess
from aura_local.benchmark.planned_documents import Edition, PlannedDocument

GOES_ON_SHARE: Final = 0.5
"""Of the acts, those that the next one of the same document follows at once: a document is then deleted or
replaced while it is being read."""


@dataclass(slots=True)
class KeptDocument:
    """How far a server has taken a planned document, as far as its client knows."""

    plan: PlannedDocument
    id: str = ""
    """Empty until an upload has been acknowledged."""
    offered: int = 0
    """Editions sent."""
    acknowledged: int = 0
    """Editions of which the server said that it has them."""
    repeats_left: int = 0
    deletion_offered: bool = False
    deleted: bool = False
    """The server said so."""

    @property
    def acts_left(self) -> int:
        editions = len(self.plan.editions) - self.acknowledged
        return editions + self.repeats_left + (self.plan.deleted and not self.deleted)

    @property
    def possible(self) -> tuple[Edition, ...]:
        """Editions that the server may have: the last acknowledged one and those sent since."""
        return self.plan.editions[max(0, self.acknowledged - 1) : self.offered]


def kept(plan: PlannedDocument) -> KeptDocument:
    """A document of which the server knows nothing yet."""
    return KeptDocument(plan, repeats_left=int(plan.repeated))


@dataclass(slots=True)
class IngestClients:
    """Acts on documents at one server."""

    http: HttpAccess
    chance: random.Random
    acts: int = 0
    """Acknowledged."""
    refused: list[str] = field(default_factory=list)
    """Answers that promise nothing, or something wrong: there are none while the server lives."""

    async def work(self, documents: Sequence[KeptDocument], *, within_s: float) -> None:
        """One act or more on each document, begun at random moments within `within_s`.

        Returns when all have been answered or cut off.
        """
        async with anyio.create_task_group() as tasks:
            for document in documents:
                tasks.start_soon(self._act, document, self.chance.uniform(0, within_s))

    async def finish(self, documents: Sequence[KeptDocument]) -> None:
        """All acts that are left, one after the other. Raises `OSError` when the server is gone."""
        for document in documents:
            while document.acts_left and not self.refused:
                await self._next(document)

    async def _act(self, document: KeptDocument, after_s: float) -> None:
        await anyio.sleep(after_s)
        try:
            while document.acts_left:
                await self._next(document)
                if self.chance.random() >= GOES_ON_SHARE:
                    return
        except OSError:
            return

    async def _next(self, document: KeptDocument) -> None:
        if document.acknowledged == 0:
            await self._upload(document)
        elif document.repeats_left and document.acknowledged == 1:
            await self._upload_again(document)
        elif document.acknowledged < len(document.plan.editions):
            await self._replace(document)
        else:
            await self._delete(document)

    async def _upload(self, document: KeptDocument) -> None:
        document.offered = 1
        answer = await self.http.upload(document.plan.name, document.plan.editions[0].content)
        if self._took(answer, document, document.plan.editions[0]):
            document.id, document.acknowledged = answer.json["id"], 1

    async def _upload_again(self, document: KeptDocument) -> None:
        answer = await self.http.upload(document.plan.name, document.plan.editions[0].content)
        if self._took(answer, document, document.plan.editions[0]):
            document.repeats_left -= 1
            if answer.json["id"] != document.id:
                self.refused.append(f"{document.plan.name}: the same bytes are another document")

    async def _replace(self, document: KeptDocument) -> None:
        edition = document.plan.editions[document.acknowledged]
        document.offered = document.acknowledged + 1
        answer = await self.http.replace(document.id, document.plan.name, edition.content)
        if self._took(answer, document, edition):
            document.acknowledged += 1
            if answer.json["id"] != document.id:
                self.refused.append(f"{document.plan.name}: a new edition is another document")

    async def _delete(self, document: KeptDocument) -> None:
        """A document that is not there was deleted by the call that was cut off."""
        again, document.deletion_offered = document.deletion_offered, True
        answer = await self.http.delete(f"/api/documents/{document.id}")
        if answer.done or (again and answer.status == 404):
            self.acts += 1
            document.deleted = True
        else:
            self.refused.append(f"deletion: {answer.status}")

    def _took(self, answer: Answer, document: KeptDocument, edition: Edition) -> bool:
        if not answer.done:
            self.refused.append(f"{document.plan.name}: {answer.status}")
            return False
        self.acts += 1
        if answer.json["sha256"] != hashlib.sha256(edition.content).hexdigest():
            self.refused.append(f"{document.plan.name}: other bytes are acknowledged")
        return True
