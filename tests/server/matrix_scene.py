"""Where the matrices of routes and sockets play: attackers of every kind, a tenant that is not theirs."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import sqlite_utils

from aura_local.storage.catalog import Tenant
from tests.server.people import (
    Credential,
    Platform,
    every_credential,
    open_platform,
    settled,
    single_scope_keys,
)

CANARY = "xylophone7041"
"""In every text that the other tenant has."""

MADE_UP = {
    "document_id": f"doc_{'0' * 24}",
    "user_id": "0" * 16,
    "key_id": "0" * 16,
    "widget_id": "0" * 16,
    "secret_name": "made-up",
    "tenant_id": "0" * 16,
    "session_id": "0" * 16,
}


@dataclass
class Scene:
    platform: Platform
    theirs: Tenant
    foreign: Mapping[str, str]
    """Ids that exist, in the other tenant."""
    colleagues: Mapping[str, str]
    """Those of the same tenant, of a person who is not asking."""
    credentials: list[Credential]
    scoped: list[Credential]
    before: dict[str, Any]
    """`everything_of` the other tenant."""
    requests: int = 0
    sockets: int = 0

    def credential(self, name: str) -> Credential:
        return next(one for one in self.credentials if one.name == name)


@asynccontextmanager
async def open_scene(folder: Path) -> AsyncIterator[Scene]:
    """A platform with all that; tells on leaving how much was tried."""
    async with open_platform(folder) as platform:
        catalog = platform.engine.catalog
        ours, theirs, stopped = [await catalog.create_tenant(name) for name in ("Alder", "Birch", "Cedar")]
        scene = Scene(
            platform,
            theirs,
            await _furnish(platform, theirs),
            {"session_id": await _conversation(platform.client(await platform.key(ours)), "When?")},
            await every_credential(platform, ours, stopped),
            await single_scope_keys(platform, ours),
            await everything_of(platform, theirs),
        )
        yield scene
        print(f"cells checked: {scene.requests} requests, {scene.sockets} sockets")  # noqa: T201 - see -s


async def _furnish(platform: Platform, tenant: Tenant) -> dict[str, str]:
    """Give a tenant one of everything, and the canary with it; the ids."""
    accounts = platform.engine.accounts
    admin = await platform.person(tenant, "admin", f"{CANARY}@two.example")
    await accounts.links.invite(tenant.id, f"invited-{CANARY}@two.example", "viewer")
    issued = await accounts.api_keys.issue(tenant.id, CANARY)
    widget = await accounts.visitors.add_widget(tenant.id, "widget", CANARY, [f"https://{CANARY}.example"])
    client = platform.client(await platform.token(admin))
    stored = await client.put(f"/api/secrets/{CANARY}", json={"value": f"sk-{CANARY}"})
    assert stored.status_code == 204, stored.text
    document_id = await settled(client, f"{CANARY}.txt", f"The {CANARY} opens at nine.".encode(), "public")
    session_id = await _conversation(client, f"When does the {CANARY} open?")
    return {
        "document_id": document_id,
        "user_id": admin.id,
        "key_id": issued.id,
        "widget_id": widget.id,
        "secret_name": CANARY,
        "tenant_id": tenant.id,
        "session_id": session_id,
    }


async def _conversation(client: httpx.AsyncClient, question: str) -> str:
    answer = await client.post("/api/chat", json={"question": question})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["session_id"])


async def everything_of(platform: Platform, tenant: Tenant) -> dict[str, Any]:
    """Every row that belongs to a tenant, in its own file and the platform's, and its blobs' names."""
    engine = platform.engine

    def of_platform(database: sqlite_utils.Database) -> dict[str, Any]:
        owned = dict.fromkeys(("users", "api_keys", "widgets", "links"), "tenant_id = ?")
        owned |= {"tenants": "id = ?", "audit_entries": "chain = ?", "audit_chains": "chain = ?"}
        owned["refresh_tokens"] = "user_id IN (SELECT id FROM users WHERE tenant_id = ?)"
        return {
            table: database.execute(f"SELECT * FROM {table} WHERE {mine}", [tenant.id]).fetchall()
            for table, mine in owned.items()
        }

    def of_tenant(database: sqlite_utils.Database) -> dict[str, Any]:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: database.execute(f"SELECT * FROM [{name}]").fetchall() for (name,) in names}

    async with engine.leases.lease(tenant.id) as handle:
        files = engine.settings.home.rglob("*")
        blobs = sorted(str(file) for file in files if tenant.id in file.parts and "blobs" in file.parts)
        return {
            "platform": await engine.catalog.database.read(of_platform),
            "tenant": await handle.database.read(of_tenant),
            "blobs": blobs,
        }


def forms_of(value: str) -> dict[str, tuple[dict[str, str], dict[str, str], str]]:
    """Ways to present a credential: headers, query, and what that is worth."""
    basic = base64.b64encode(f"user:{value}".encode()).decode()
    return {
        "bearer": ({"authorization": f"Bearer {value}"}, {}, "itself"),
        "lower case": ({"authorization": f"bearer {value}"}, {}, "itself"),
        "basic": ({"authorization": f"Basic {basic}"}, {}, "refused"),
        "bare": ({"authorization": value}, {}, "refused"),
        "x-api-key": ({"x-api-key": value}, {}, "nothing"),
        "cookie": ({"cookie": f"session={value}; access_token={value}; aura={value}"}, {}, "nothing"),
        "query": ({}, {"key": value, "token": value, "access_token": value}, "nothing"),
    }
