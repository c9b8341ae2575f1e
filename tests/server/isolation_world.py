"""Tenants of one platform, a model of what each has, and the rule that nobody else sees or changes it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from aura_local.accounts.users import User
from aura_local.storage.catalog import Tenant
from tests.server.people import open_platform

NAMES = ("Alder", "Birch", "Cedar")
WORDS = {"Alder": "almanac7041", "Birch": "bassoon2213", "Cedar": "calliope9952"}
"""In every text of each tenant, and of no other."""
SHOWN_IN: dict[str, tuple[str, str]] = {
    "document": ("/api/documents", "documents"),
    "key": ("/api/keys", "keys"),
    "user": ("/api/users", "users"),
    "widget": ("/api/widgets", "widgets"),
}


Result = TypeVar("Result")


@dataclass
class Known:
    """What the model says a tenant has."""

    tenant: Tenant
    admin: User
    token: str
    ids: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Of what is there now, by kind."""
    suspended: bool = False


class IsolationWorld:
    """The server on an event loop of its own, so that a machine whose steps are plain calls can drive it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._serial = 0
        self.tenants: dict[str, Known] = {}
        self.requests = 0
        self.refused_as_foreign = 0

    def open(self) -> None:
        opened = self._loop.create_future()
        # One task enters and leaves: cancel scopes belong to the task that made them.
        self._task = self._loop.create_task(self._live(opened))
        self._wait(asyncio.wait([opened, self._task], return_when=asyncio.FIRST_COMPLETED))
        if self._task.done():
            self._task.result()

    def close(self) -> None:
        self._over.set()
        self._wait(self._task)
        self._wait(self._loop.shutdown_default_executor())
        self._loop.close()

    def begin(self) -> None:
        """Three new tenants, which have nothing but their admins; those of before stay where they are."""
        self.tenants = {name: self._wait(self._new_tenant(name)) for name in NAMES}

    async def _live(self, opened: asyncio.Future[None]) -> None:
        async with open_platform(self._folder) as platform, platform.client() as client:
            self._platform, self._client = platform, client
            self._owner = await platform.person(None, "owner", "owner@platform.example")
            opened.set_result(None)
            await self._over.wait()

    async def _new_tenant(self, name: str) -> Known:
        text = self.text(name)
        tenant = await self._platform.tenant(text)
        admin = await self._platform.person(tenant, "admin", f"{text.replace(' ', '-')}@people.example")
        known = Known(tenant, admin, await self._platform.token(admin))
        known.ids["user"].add(admin.id)
        return known

    # --- what the machine does -----------------------------------------------------------------------

    def ask(self, name: str, method: str, path: str, **options: Any) -> httpx.Response:
        """As a tenant's admin; the answer holds no word of the others, and no id but what it was sent."""
        known = self.tenants[name]
        headers = {"authorization": f"Bearer {known.token}"}
        answer = self._wait(self._client.request(method, path, headers=headers, **options))
        self.requests += 1
        assert answer.status_code < 500, answer.text
        if known.suspended:
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "tenant_suspended")
        for other in NAMES:
            if other != name:
                ids = [id_ for ids in self.tenants[other].ids.values() for id_ in ids if id_ not in path]
                leaked = [secret for secret in (WORDS[other], *ids) if secret in answer.text]
                assert not leaked, (method, path)
        return answer

    def set_status(self, name: str, status: str) -> None:
        """As the owner: suspend a tenant, or let it work again."""
        known = self.tenants[name]
        # Another token: a good answer for the old one may be remembered for a second.
        if not known.suspended:
            known.token = self._wait(self._platform.token(known.admin))
        answer = self._wait(self._patch_tenant(known, {"status": status}))
        assert answer.status_code == 200
        known.suspended = status == "suspended"

    def text(self, name: str) -> str:
        """A new one that can be told from those of the others."""
        self._serial += 1
        return f"{WORDS[name]} {self._serial}"

    def expect_all_there(self, name: str) -> None:
        """A tenant has what the model says, neither more nor less."""
        known = self.tenants[name]
        for kind, (path, field_name) in SHOWN_IN.items():
            answer = self.ask(name, "GET", path)
            if known.suspended:
                continue
            listed = answer.json()[field_name]
            assert {one["id"] for one in listed if not one.get("revoked_at")} == known.ids[kind], (name, kind)
            assert {one.get("audience", "members") for one in listed} <= {"members"}

    async def _patch_tenant(self, known: Known, body: dict[str, str]) -> httpx.Response:
        headers = {"authorization": f"Bearer {await self._platform.token(self._owner)}"}
        return await self._client.patch(f"/api/tenants/{known.tenant.id}", json=body, headers=headers)

    def _wait(self, work: Coroutine[Any, Any, Result] | asyncio.Task[Result]) -> Result:
        return self._loop.run_until_complete(work)
