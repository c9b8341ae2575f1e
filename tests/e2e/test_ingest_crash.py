"""Servers killed while they read documents: each ends indexed exactly once. `scripts/torture ingest-crash`
kills more of them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import numpy as np
import pytest
import sqlite_utils

from aura_local.benchmark.child_processes import descendants, hold_still, outlasting, still_running
from aura_local.benchmark.ingest_clients import KeptDocument
from aura_local.benchmark.ingest_crash import run_ingest_crashes
from aura_local.benchmark.ingest_survey import differences, survey_ingested
from aura_local.benchmark.planned_documents import Edition, PlannedDocument, marks_in, plan_documents
from aura_local.benchmark.restarting_server import settings_of
from aura_local.benchmark.torture_tenants import TenantAccess, make_tenants
from aura_local.data_home import open_data_home

pytestmark = pytest.mark.anyio

KILLS = 2
DOCUMENTS = 10
LONGEST_LIFE_S = 1.0
SEED = 20_261_123

FIRST = Edition(b"first edition", frozenset({"note0e1i0", "note0e1i1"}))
SECOND = Edition(b"second edition", frozenset({"note0e2i0", "note0e2i1"}))
PLAN = PlannedDocument("note-0.txt", (FIRST, SECOND), repeated=False, deleted=False)


@pytest.mark.engines
@pytest.mark.llama
@pytest.mark.starter
async def test_documents_read_by_killed_servers_end_indexed_once(tmp_path: Path) -> None:
    report = await run_ingest_crashes(
        tmp_path, documents=DOCUMENTS, kills=KILLS, seed=SEED, longest_life_s=LONGEST_LIFE_S
    )
    assert report.wrong == []
    assert report.kills == KILLS
    assert report.kills_at_work > 0
    assert report.indexed + report.failed + report.deleted == DOCUMENTS
    assert report.index_entries == report.passages > 0


def test_the_same_seed_plans_the_same_documents_and_every_sentence_has_its_mark() -> None:
    plans = plan_documents(60, random.Random(SEED))
    assert plans == plan_documents(60, random.Random(SEED))
    text = next(plan for plan in plans if plan.name.endswith(".txt")).editions[0]
    found = marks_in(text.content.decode())
    assert sorted(found) == sorted(text.marks)
    assert any(len(plan.editions) > 1 for plan in plans)
    assert any(plan.deleted for plan in plans)


def test_a_worker_that_outlives_its_parent_is_seen() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo started; wait"], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        workers = hold_still(parent.pid)
        parent.kill()
        parent.wait()
        assert still_running(workers) == workers != frozenset()
        for worker in workers:
            os.kill(worker.process_id, signal.SIGKILL)
    assert anyio.run(outlasting, workers) == frozenset()
    assert descendants(parent.pid) == frozenset()


@pytest.fixture(scope="module")
def indexed_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TenantAccess]:
    """Of a tenant with the second edition of one document, indexed."""
    folder = tmp_path_factory.mktemp("reader")
    return folder, anyio.run(_make_indexed, folder)


@pytest.fixture
def tenant(indexed_folder: tuple[Path, TenantAccess], tmp_path: Path) -> TenantAccess:
    """The same, in a folder of the test's own."""
    folder, made = indexed_folder
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return made


async def _make_indexed(folder: Path) -> TenantAccess:
    (made,) = await make_tenants(folder, ["reader"])

    async def content() -> AsyncIterator[bytes]:
        yield SECOND.content

    async with open_data_home(settings_of(folder)) as data, data.leases.lease(made.id) as handle:
        receipt = await handle.blobs.put(content(), limit_bytes=1000)

        def write(connection: sqlite_utils.Database) -> None:
            connection.execute(
                "INSERT INTO documents (id, name, media_type, sha256, size_bytes, status, passage_count,"
                " created_at, updated_at)"
                " VALUES ('doc_0', 'note-0.txt', 'text/plain', ?, 14, 'indexed', 2, '', '')",
                [receipt.sha256],
            )
            for ordinal, mark in enumerate(sorted(SECOND.marks)):
                vector = np.eye(4, dtype="<f4")[ordinal].tobytes()
                connection.execute(
                    "INSERT INTO passages (document_id, ordinal, text, vector) VALUES ('doc_0', ?, ?, ?)",
                    [ordinal, f"Something is kept under {mark}.", vector],
                )

        await handle.database.write(write)
        await handle.index()
    return made


def acknowledged() -> KeptDocument:
    return KeptDocument(PLAN, id="doc_0", offered=2, acknowledged=2)


async def test_a_folder_with_what_was_promised_is_not_accused(tmp_path: Path, tenant: TenantAccess) -> None:
    survey = await survey_ingested(tmp_path, tenant.id, [acknowledged()], finished=True)
    assert survey.wrong == []
    assert (survey.passages, survey.index_entries, survey.blobs) == (2, 2, 1)


BROKEN_PROMISES = {
    "note-0.txt is lost, or has another id": KeptDocument(PLAN, id="doc_1", offered=2, acknowledged=2),
    "note-0.txt is there although it was deleted": KeptDocument(
        PLAN, id="doc_0", offered=2, acknowledged=2, deletion_offered=True, deleted=True
    ),
    "note-0.txt has bytes that were not sent": KeptDocument(PLAN, id="doc_0", offered=1, acknowledged=1),
}


@pytest.mark.parametrize("complaint", BROKEN_PROMISES)
async def test_a_promise_that_was_not_kept_is_found(
    tmp_path: Path, tenant: TenantAccess, complaint: str
) -> None:
    survey = await survey_ingested(tmp_path, tenant.id, [BROKEN_PROMISES[complaint]])
    assert any(line.startswith(complaint) for line in survey.wrong)


DAMAGE = {
    "UPDATE passages SET ordinal = 0": ["note-0.txt has doubled or missing passages"],
    "INSERT INTO passages (document_id, ordinal, text) VALUES ('doc_0', 2, 'Kept under note0e2i0, again.')": [
        "note-0.txt has sentences in two passages",
        "note-0.txt has 3 passages and says 2",
    ],
    "DELETE FROM passages WHERE ordinal = 1": [
        "note-0.txt has 1 passages and says 2",
        "note-0.txt is indexed with 1 of 2 sentences",
        "the index lacks 0 passages, has 1 more",
    ],
    "UPDATE passages SET text = 'Kept under note0e1i0.' WHERE ordinal = 1": [
        "note-0.txt is indexed with 2 of 2 sentences, or others"
    ],
    "UPDATE documents SET status = 'failed'": [
        "note-0.txt is failed, of sound bytes",
        "note-0.txt failed without a reason",
    ],
    "UPDATE documents SET status = 'received'": ["note-0.txt stays received"],
    "DELETE FROM documents": ["note-0.txt is lost", "1 files are of no document"],
    "UPDATE documents SET sha256 = 'lost'": ["the bytes of note-0.txt are missing"],
}


@pytest.mark.parametrize("statement", DAMAGE)
async def test_what_is_doubled_mixed_or_left_over_is_found(
    tmp_path: Path, tenant: TenantAccess, statement: str
) -> None:
    def damage(connection: sqlite_utils.Database) -> None:
        connection.execute(statement)

    async with open_data_home(settings_of(tmp_path)) as data, data.leases.lease(tenant.id) as handle:
        await handle.database.write(damage)
    survey = await survey_ingested(tmp_path, tenant.id, [acknowledged()], finished=True)
    for complaint in DAMAGE[statement]:
        assert any(line.startswith(complaint) for line in survey.wrong), survey.wrong


def test_an_index_of_other_classes_is_found() -> None:
    assert differences({1: 4}, {1: 4}) == []
    assert differences({1: 4}, {1: 0}) == ["the index lacks 0 passages, has 0 more and 1 of another class"]
