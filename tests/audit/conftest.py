"""The platform's file, with a log of six entries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aura_local.audit.chain import AuditLog
from aura_local.storage.database import Database
from aura_local.storage.platform_tables import PLATFORM_MIGRATIONS
from tests.audit.platform_file import KEY, MOMENT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "aura.sqlite"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = await Database.open(path, KEY, PLATFORM_MIGRATIONS)
    yield database
    await database.close()


@pytest.fixture
async def log(database: Database) -> AuditLog:
    """Of six entries."""
    log = AuditLog(database, now=lambda: MOMENT)
    for number in range(1, 7):
        await log.append("user:ada", "key.created", f"key{number}", number=number)
    return log
