"""`aura audit`: read, verified, exported; a log that somebody changed is found out."""

from __future__ import annotations

import json

import anyio
import sqlite_utils

from aura_local.data_home import open_data_home
from aura_local.settings_sources import load_settings
from tests.commands.invoking import Aura


def change_behind_the_back(aura: Aura, statement: str) -> None:
    """Somebody with the master key rewrites the log."""

    def change(database: sqlite_utils.Database) -> None:
        for trigger in database.triggers:
            if trigger.table in ("audit_entries", "audit_chains"):
                database.execute(f"DROP TRIGGER {trigger.name}")
        database.execute(statement)

    async def work() -> None:
        async with open_data_home(load_settings({}, aura.environment).values) as data:
            await data.catalog.database.write(change)

    anyio.run(work)


def test_entries_are_listed_a_page_at_a_time(aura: Aura) -> None:
    for name in ("One", "Two", "Three"):
        aura("tenant", "create", name)
    first, second = aura.json("audit", "list", "--limit", "2")["entries"]
    (third,) = aura.json("audit", "list", "--after", str(second["sequence"]))["entries"]
    assert [entry["sequence"] for entry in (first, second, third)] == [1, 2, 3]
    assert first["actor"] == "operator:local"
    shown = aura("audit", "list").stdout
    assert shown.count("tenant.created") == 3
    assert "One" not in shown


def test_a_whole_log_verifies_and_a_changed_one_says_where(aura: Aura) -> None:
    for name in ("One", "Two", "Three"):
        aura("tenant", "create", name)
    whole = aura.json("audit", "verify")
    assert (whole["entries"], whole["broken_at"]) == (3, None)
    aura("tenant", "create", "Four")
    assert "4 entries, unbroken" in aura("audit", "verify", "--head", whole["head"]).stdout
    change_behind_the_back(aura, "UPDATE audit_entries SET actor = 'user:x' WHERE sequence = 2")
    assert aura.json("audit", "verify", code=1)["broken_at"] == 2
    assert "Broken at entry 2" in aura("audit", "verify", code=1).stdout
    assert aura.json("audit", "verify", "--tenant", "Two")["broken_at"] is None


def test_another_history_does_not_have_the_noted_head(aura: Aura) -> None:
    aura("tenant", "create", "One")
    assert aura.json("audit", "verify", "--head", "ab" * 32, code=1)["broken_at"] is not None


def test_an_export_has_every_entry_with_its_digest_and_is_entered_itself(aura: Aura) -> None:
    aura("tenant", "create", "One")
    lines = [json.loads(line) for line in aura("audit", "export", "--tenant", "One").stdout.splitlines()]
    assert [line["action"] for line in lines] == ["tenant.created", "audit.exported"]
    assert lines[1]["previous"] == lines[0]["digest"]
    assert aura.json("audit", "list", "--tenant", "Nobody", code=1)["error"]["code"] == "not_found"
