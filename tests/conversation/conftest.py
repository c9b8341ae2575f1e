"""A tenant's file, as the conversation stores its turns in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aura_local.conversation.memory import ConversationMemory
from aura_local.storage.database import Database
from aura_local.storage.tenant_tables import TENANT_MIGRATIONS


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "tenant.sqlite", bytes(32), TENANT_MIGRATIONS)
    yield database
    await database.close()


@pytest.fixture
async def memory(database: Database) -> ConversationMemory:
    return await ConversationMemory.begin(database, "en")
