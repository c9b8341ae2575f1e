"""Whatever was done to the file: verification says where the log is not what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.audit import chain
from aura_local.audit.chain import AuditLog
from aura_local.audit.entries import GENESIS
from aura_local.errors import StorageDamaged
from aura_local.storage.database import Database
from aura_local.storage.platform_tables import PLATFORM_MIGRATIONS
from aura_local.storage.schema import run_in_order
from tests.audit.platform_file import KEY, MOMENT

pytestmark = pytest.mark.anyio


async def tamper(database: Database, *statements: str) -> None:
    """What somebody with the key can do to the file."""
    await database.write(
        run_in_order("DROP TRIGGER audit_entries_stay", "DROP TRIGGER audit_entries_are_final", *statements)
    )


async def test_an_empty_and_a_whole_log_are_in_order(database: Database, tmp_path: Path) -> None:
    log = AuditLog(database)
    empty = await log.verify()
    assert (empty.entries, empty.head, empty.broken_at, empty.reason) == (0, GENESIS.hex(), None, "")
    assert (await log.verify(expected_head=GENESIS.hex())).broken_at is None
    await log.append("system", "login", "user:ada")
    whole = await log.verify()
    assert (whole.entries, whole.broken_at) == (1, None)
    assert whole.head == (await log.entries())[0].digest


@pytest.mark.parametrize(
    ("statements", "broken_at", "reason"),
    [
        (["UPDATE audit_entries SET actor = 'user:eve' WHERE sequence = 3"], 3, "changed"),
        (["UPDATE audit_entries SET action = 'login' WHERE sequence = 1"], 1, "changed"),
        (["UPDATE audit_entries SET subject = 'key9' WHERE sequence = 6"], 6, "changed"),
        (["UPDATE audit_entries SET at = '2026-01-01' WHERE sequence = 2"], 2, "changed"),
        (["""UPDATE audit_entries SET details = '{"number":9}' WHERE sequence = 4"""], 4, "changed"),
        # The same values for a program, others for a reader.
        (
            ["""UPDATE audit_entries SET details = '{"number":9,"number":4}' WHERE sequence = 4"""],
            4,
            "changed",
        ),
        (["UPDATE audit_entries SET details = '[]' WHERE sequence = 4"], 4, "changed"),
        (["UPDATE audit_entries SET details = 'no JSON' WHERE sequence = 4"], 4, "changed"),
        (["UPDATE audit_entries SET details = CAST(x'ff' AS TEXT) WHERE sequence = 4"], 4, "changed"),
        (["UPDATE audit_entries SET actor = CAST(x'ff' AS TEXT) WHERE sequence = 5"], 5, "changed"),
        (["UPDATE audit_entries SET digest = zeroblob(32) WHERE sequence = 2"], 2, "changed"),
        (["UPDATE audit_entries SET previous = zeroblob(32) WHERE sequence = 2"], 2, "does not follow"),
        (["DELETE FROM audit_entries WHERE sequence = 1"], 1, "missing"),
        (["DELETE FROM audit_entries WHERE sequence = 3"], 3, "missing"),
        (["DELETE FROM audit_entries WHERE sequence = 6"], 6, "6 to 6 are missing"),
        (["DELETE FROM audit_entries WHERE sequence > 3"], 4, "4 to 6 are missing"),
        (["DELETE FROM audit_entries"], 1, "1 to 6 are missing"),
        (["DELETE FROM audit_chains"], 7, "count of entries was changed"),
        # Deleted, and the numbers closed up.
        (
            [
                "DELETE FROM audit_entries WHERE sequence = 3",
                "UPDATE audit_entries SET sequence = sequence - 1 WHERE sequence > 3",
            ],
            3,
            "does not follow",
        ),
        # Two neighbours in the other order.
        (
            [
                "UPDATE audit_entries SET sequence = 100 WHERE sequence = 2",
                "UPDATE audit_entries SET sequence = 2 WHERE sequence = 3",
                "UPDATE audit_entries SET sequence = 3 WHERE sequence = 100",
            ],
            2,
            "does not follow",
        ),
        (
            [
                "INSERT INTO audit_entries SELECT chain, -5, at, actor, action, subject, details, previous,"
                " x'00' FROM audit_entries WHERE sequence = 1"
            ],
            1,
            "missing",
        ),
    ],
)
async def test_tampering_is_found_and_its_place_named(
    database: Database, log: AuditLog, statements: list[str], broken_at: int, reason: str
) -> None:
    await tamper(database, *statements)
    found = await log.verify()
    assert (found.broken_at, found.entries) == (broken_at, broken_at - 1)
    assert reason in found.reason


async def test_every_row_is_seen_across_batches(
    database: Database, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "BATCH_ENTRIES", 2)
    assert (await log.verify()).entries == 6
    assert len([line async for part in log.export() for line in part.splitlines()]) == 6
    await tamper(database, "UPDATE audit_entries SET actor = 'user:eve' WHERE sequence = 5")
    assert (await log.verify()).broken_at == 5


async def test_a_cut_end_stays_visible_whatever_is_written_after_it(
    database: Database, log: AuditLog
) -> None:
    await tamper(database, "DELETE FROM audit_entries WHERE sequence > 4")
    await log.append("user:ada", "login", "user:ada")
    found = await log.verify()
    assert (found.broken_at, found.reason) == (5, "Entry 5 is missing.")


async def test_an_expected_head_shows_what_the_file_alone_cannot(database: Database, log: AuditLog) -> None:
    noted = (await log.verify()).head
    await log.append("user:ada", "login", "user:ada")
    assert (await log.verify(expected_head=noted)).broken_at is None  # grown since then
    assert (await log.verify(expected_head=f" {noted.upper()}\n")).broken_at is None
    # Cut, with the table's count put back as well.
    await tamper(
        database,
        "DELETE FROM audit_entries WHERE sequence > 4",
        "UPDATE audit_chains SET entries = 4",
    )
    assert (await log.verify()).broken_at is None
    cut = await log.verify(expected_head=noted)
    assert (cut.broken_at, cut.entries) == (5, 4)
    assert "expected head is not in the log" in cut.reason


async def test_a_chain_written_anew_is_seen_by_its_head(database: Database, log: AuditLog) -> None:
    noted = (await log.verify()).head
    await tamper(database, "DELETE FROM audit_entries", "DELETE FROM audit_chains")
    for number in range(1, 7):
        await log.append("user:eve", "key.created", f"key{number}", number=number)
    assert (await log.verify()).broken_at is None
    assert (await log.verify(expected_head=noted)).broken_at == 7


async def test_listing_and_export_of_a_damaged_entry_say_so(database: Database, log: AuditLog) -> None:
    await tamper(database, "UPDATE audit_entries SET details = CAST(x'ff' AS TEXT) WHERE sequence = 4")
    with pytest.raises(StorageDamaged, match="entry 4: `aura audit verify`"):
        await log.entries()
    with pytest.raises(StorageDamaged):
        [part async for part in log.export()]


async def test_chains_count_and_verify_apart(database: Database, log: AuditLog) -> None:
    one, two = (AuditLog(database, chain, now=lambda: MOMENT) for chain in ("t1", "t2"))
    for _ in range(2):
        await one.append("user:eve", "login", "user:eve")
        await two.append("user:eve", "login", "user:eve")
    assert [found.sequence for found in await one.entries()] == [1, 2]
    assert {found.chain for found in await two.entries()} == {"t2"}
    await tamper(database, "DELETE FROM audit_entries WHERE chain = 't1' AND sequence = 2")
    assert [(await chain.verify()).broken_at for chain in (log, one, two)] == [None, 2, None]


async def test_a_chain_cannot_pass_as_that_of_another(database: Database) -> None:
    one, two = AuditLog(database, "t1"), AuditLog(database, "t2")
    await one.append("user:ada", "login", "user:ada")
    await two.append("user:eve", "login", "user:eve")
    await tamper(
        database,
        *(
            f"UPDATE {table} SET chain = CASE chain WHEN 't1' THEN 't3' ELSE 't1' END WHERE chain = '{chain}'"
            for table in ("audit_entries", "audit_chains")
            for chain in ("t1", "t2")
        ),
    )
    assert (await one.verify()).broken_at == 1


async def test_a_backup_verifies_too(tmp_path: Path, database: Database, log: AuditLog) -> None:
    await database.backup(tmp_path / "copy.sqlite")
    copy = await Database.open(tmp_path / "copy.sqlite", KEY, PLATFORM_MIGRATIONS)
    assert await AuditLog(copy).verify() == await log.verify()
    await copy.close()
