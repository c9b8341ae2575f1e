"""Clients that change things until their server dies, and note what it acknowledged. Layer 4."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from aura_local.benchmark.crash_journal import TenantJournal, told_turn
from aura_local.benchmark.http_access import HttpAccess

PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - of people who do not exist
GARDEN: Final = b"# The garden\n\nThe garden opens at ten in the morning.\n"
QUESTION: Final = "When does the garden open?"
FACT: Final = "ten in the morning"
LARGE_SHARE: Final = 0.05
LARGE_WORDS: Final = 4_000
"""Some documents are large: a kill then also meets half-written and half-read ones."""
PAUSE_S: Final = 0.3
"""Longest pause of a client before its next act: documents come no faster than they can be read."""
_WORDS: Final = (
    "amber basin cedar delta ember flint grove harbour island juniper kettle lantern meadow".split()
)


class CrashClients:
    """The clients of one tenant: uploads, questions, people and keys, each after the other, all at once."""

    def __init__(self, journal: TenantJournal, url: str, chance: random.Random) -> None:
        self._journal = journal
        self._url = url
        self._http = HttpAccess(url, journal.tenant.key)
        self._anonymous = HttpAccess(url)
        self._chance = chance
        self.refused: list[str] = []
        """Answers that promise nothing, or something wrong: there are none while the server lives."""

    async def work_until_cut_off(self) -> None:
        """Returns when the server is gone for all of the clients."""
        async with anyio.create_task_group() as tasks:
            for act in (self._upload, self._ask, self._ask, self._person, self._key):
                tasks.start_soon(self._repeat, act)

    async def _repeat(self, act: Callable[[str], Awaitable[None]]) -> None:
        try:
            while True:
                await act(f"{self._chance.getrandbits(64):016x}")
                await anyio.sleep(self._chance.uniform(0, PAUSE_S))
        except OSError:
            return

    async def _upload(self, name: str) -> None:
        words = LARGE_WORDS if self._chance.random() < LARGE_SHARE else self._chance.randrange(40, 200)
        text = " ".join(self._chance.choice(_WORDS) for _ in range(words))
        content = f"# Notes {name}\n\nThe {name} notes begin. {text}.\n".encode()
        journal, file = self._journal, f"{name}.md"
        journal.offered.add(file)
        answer = await self._http.upload(file, content)
        if self._kept(answer.status, "upload"):
            journal.documents[file] = content
            journal.offered.discard(file)

    async def _ask(self, _name: str) -> None:
        self._journal.asked += 1
        answer = await self._http.post("/api/chat", question=QUESTION)
        if self._kept(answer.status, "question"):
            session_id, turn = told_turn(answer.json)
            self._journal.turns[session_id] = turn
            if FACT not in turn.answer:
                self.refused.append("question: the answer is another one")

    async def _person(self, name: str) -> None:
        """Invited, redeems the link, and refreshes the sign-in a few times."""
        journal, email = self._journal, f"{name}@example.org"
        journal.offered.add(email)
        invited = await self._http.post("/api/users", email=email, role="member")
        if not self._kept(invited.status, "invitation"):
            return
        journal.invited.add(email)
        secret = invited.json["secret"]
        signed_in = await self._anonymous.post("/api/links", secret=secret, password=PASSWORD, name=name)
        if not self._kept(signed_in.status, "link"):
            return
        journal.people.add(email)
        journal.offered.discard(email)
        for _ in range(3):
            token = signed_in.json["refresh_token"]
            journal.refresh_tokens.pop(email, None)  # in doubt while it is being exchanged
            signed_in = await self._anonymous.post("/api/refresh", refresh_token=token)
            if not self._kept(signed_in.status, "refresh"):
                return
            journal.refresh_tokens[email] = signed_in.json["refresh_token"]

    async def _key(self, name: str) -> None:
        """Made; every other one is revoked again."""
        journal = self._journal
        journal.offered.add(name)
        made = await self._http.post("/api/keys", label=name)
        if not self._kept(made.status, "key"):
            return
        key_id = made.json["id"]
        journal.keys[key_id] = name
        journal.offered.discard(name)
        if self._chance.random() < 0.5:
            journal.maybe_revoked.add(key_id)
            if self._kept((await self._http.delete(f"/api/keys/{key_id}")).status, "revocation"):
                journal.revoked.add(key_id)

    def _kept(self, status: int, what: str) -> bool:
        if 200 <= status < 300:
            return True
        self.refused.append(f"{what}: {status}")
        return False
