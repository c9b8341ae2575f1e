"""`aura usage`: added up by day, user and kind, as a table, JSON or CSV."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest

from aura_local.data_home import open_data_home
from aura_local.metering.ledger import UsageKind, usage_rows
from aura_local.settings_sources import load_settings
from tests.commands.invoking import Aura
from tests.commands.test_tenant import actions

USED: tuple[tuple[str, str, dict[UsageKind, int], datetime], ...] = (
    ("user:ada", "a", {"prompt_tokens": 1200, "text_to_speech_ms": 1}, datetime(2026, 1, 30, tzinfo=UTC)),
    ("user:ada", "b", {"text_to_speech_ms": 2}, datetime(2026, 1, 31, tzinfo=UTC)),
    ("key:till", "c", {"text_to_speech_ms": 4}, datetime(2026, 1, 31, tzinfo=UTC)),
)


@pytest.fixture
def mill(aura: Aura) -> Aura:
    made = aura.json("tenant", "create", "Old Mill")

    async def use() -> None:
        async with (
            open_data_home(load_settings({}, aura.environment).values) as data,
            data.leases.lease(made["id"]) as handle,
        ):
            for subject, key, amounts, at in USED:
                await handle.database.write(usage_rows(subject, key, amounts, at))

    anyio.run(use)
    return aura


def test_all_of_it_by_day_user_and_kind(mill: Aura) -> None:
    found = mill.json("usage")
    assert found["tenant"] == "Old Mill"
    assert len(found["usage"]) == 4
    assert {"day": "2026-01-31", "user": "key:till", "kind": "text_to_speech_ms", "amount": 4} in found[
        "usage"
    ]
    assert "1,200" in mill("usage").stdout


def test_what_is_not_told_apart_is_added_up(mill: Aura) -> None:
    assert mill.json("usage", "--by", "kind")["usage"] == [
        {"kind": "prompt_tokens", "amount": 1200},
        {"kind": "text_to_speech_ms", "amount": 7},
    ]
    assert mill.json("usage", "--by", "user,kind", "--from", "2026-01-31")["usage"] == [
        {"user": "key:till", "kind": "text_to_speech_ms", "amount": 4},
        {"user": "user:ada", "kind": "text_to_speech_ms", "amount": 2},
    ]
    assert {row["day"] for row in mill.json("usage", "--to", "2026-01-30")["usage"]} == {"2026-01-30"}


def test_csv_is_an_export_and_audited_as_one(mill: Aura) -> None:
    mill("tenant", "suspend", "Old Mill")
    lines = mill("usage", "--by", "day,kind", "--csv").stdout.splitlines()
    assert lines == [
        "day,kind,amount",
        "2026-01-30,prompt_tokens,1200",
        "2026-01-30,text_to_speech_ms,1",
        "2026-01-31,text_to_speech_ms,6",
    ]
    assert actions(mill, "--tenant", "Old Mill")[-1] == "usage.exported"


def test_wrong_questions_are_refused(mill: Aura) -> None:
    assert "day, user and kind" in mill("usage", "--by", "day,mood", code=2).stderr
    mill("usage", "--by", "", code=2)
    mill("usage", "--from", "yesterday", code=2)
    mill("usage", "--csv", "--json", code=2)
    assert mill.json("usage", "--tenant", "Nobody", code=1)["error"]["code"] == "not_found"
