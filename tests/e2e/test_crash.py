"""Servers killed at work lose nothing that they had acknowledged.

`scripts/torture crash` kills more of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlite_utils

from aura_local.benchmark.crash_journal import TenantJournal, ToldTurn, new_journal
from aura_local.benchmark.crash_run import run_crashes
from aura_local.benchmark.crash_survey import survey
from aura_local.benchmark.restarting_server import settings_of
from aura_local.benchmark.torture_tenants import make_tenants
from aura_local.data_home import open_data_home

pytestmark = pytest.mark.anyio

KILLS = 2
LONGEST_LIFE_S = 1.0
SEED = 20_261_123


@pytest.mark.engines
@pytest.mark.llama
@pytest.mark.starter
async def test_two_killed_servers_kept_every_promise(tmp_path: Path) -> None:
    report = await run_crashes(tmp_path, kills=KILLS, seed=SEED, longest_life_s=LONGEST_LIFE_S)
    assert report.wrong == []
    assert report.kills == KILLS
    assert min(report.documents, report.turns, report.keys) > 0


async def test_a_folder_that_kept_its_promises_is_not_accused(tmp_path: Path) -> None:
    (tenant,) = await make_tenants(tmp_path, ["one"])
    assert await survey(tmp_path, [new_journal(tenant)]) == []


BROKEN_PROMISES: dict[str, Callable[[TenantJournal], object]] = {
    "document lost.md is lost": lambda journal: journal.documents.update({"lost.md": b""}),
    "turn lost is lost": lambda journal: journal.turns.update({"lost": ToldTurn("", {})}),
    "person lost@example.org is lost": lambda journal: journal.people.add("lost@example.org"),
    "invitation lost@example.org is lost": lambda journal: journal.invited.add("lost@example.org"),
    "key lost is lost": lambda journal: journal.keys.update({"lost": "torture"}),
    "a refresh token that was handed out does not work": lambda journal: journal.refresh_tokens.update(
        {"lost@example.org": "lost"}
    ),
    "is revoked or valid against what was said": lambda journal: journal.revoked.add(journal.tenant.key_id),
}


@pytest.mark.parametrize("complaint", BROKEN_PROMISES)
async def test_a_promise_that_was_not_kept_is_found(tmp_path: Path, complaint: str) -> None:
    (tenant,) = await make_tenants(tmp_path, ["one"])
    journal = new_journal(tenant)
    BROKEN_PROMISES[complaint](journal)
    (found,) = await survey(tmp_path, [journal])
    assert complaint in found


def two_turns(connection: sqlite_utils.Database) -> None:
    moment = "2026-11-23T00:00:00.000+00:00"
    connection.table("sessions").insert({"id": "s", "language": "en", "created_at": moment, "owner": "key:k"})
    for ordinal in (1, 2):
        connection.table("turns").insert(
            {
                "session_id": "s",
                "ordinal": ordinal,
                "user_text": "q",
                "answer_text": "a",
                "heard_text": "a",
                "created_at": moment,
            }
        )


def orphaned_usage(connection: sqlite_utils.Database) -> None:
    connection.table("usage_entries").insert(
        {
            "entry_key": "s/typed/1/prompt_tokens",
            "at": "2026-11-23T00:00:00.000+00:00",
            "day": "2026-11-23",
            "subject": "key:k",
            "kind": "prompt_tokens",
            "amount": 3,
        }
    )


def wrong_sum(connection: sqlite_utils.Database) -> None:
    orphaned_usage(connection)
    connection.execute("UPDATE usage_totals SET amount = amount + 1")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (two_turns, "turn s is there 2 times"),
        (two_turns, "there are 2 turns of 0 questions"),
        (orphaned_usage, "the ledger has entries of s, which is neither document nor turn"),
        (wrong_sum, "usage_totals does not add up"),
    ],
)
async def test_what_is_there_and_was_never_promised_is_found(
    tmp_path: Path, change: Callable[[sqlite_utils.Database], None], complaint: str
) -> None:
    (tenant,) = await make_tenants(tmp_path, ["one"])
    async with open_data_home(settings_of(tmp_path)) as data, data.leases.lease(tenant.id) as handle:
        await handle.database.write(change)
    assert complaint in await survey(tmp_path, [new_journal(tenant)])
