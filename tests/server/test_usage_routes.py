"""What was used, over HTTP: by day, user and kind, as JSON and as a table; and what a tier allows."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import anyio
import httpx
import pytest

from aura_local.metering.ledger import usage_rows
from aura_local.storage.catalog import Tenant
from tests.server.people import Platform, open_platform, settled

pytestmark = pytest.mark.anyio
QUESTION = "Every day the museum opens at what hour?"
UPLOAD = "/api/documents/upload"


@pytest.fixture
async def tenant(platform: Platform) -> Tenant:
    return await platform.tenant(token_hex(4))


@pytest.fixture
async def admin(platform: Platform, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with await platform.signed_in(tenant, "admin", f"ada@{tenant.name}.example") as client:
        yield client


def today() -> str:
    return datetime.now(UTC).date().isoformat()


async def test_documents_and_answers_are_counted_once_each(
    platform: Platform, tenant: Tenant, admin: httpx.AsyncClient
) -> None:
    content = b"The museum opens at nine every day."
    day = today()
    for _ in range(2):  # the same bytes are the same document
        await settled(admin, "hours.txt", content)
    async with platform.client(await platform.key(tenant)) as robot:
        assert (await robot.post("/api/chat", json={"question": QUESTION})).status_code == 200
    rows = (await admin.get("/api/usage")).json()["usage"]
    me = f"user:{(await admin.get('/api/me')).json()['id']}"
    counted = {(row["subject"], row["kind"]): row["amount"] for row in rows if row["subject"] == me}
    assert counted == {(me, "documents"): 1, (me, "document_bytes"): len(content)}
    robots = {row["kind"] for row in rows if row["subject"].startswith("key:")}
    assert robots <= {"prompt_tokens", "generated_tokens"}
    assert "generated_tokens" in robots
    assert {row["day"] for row in rows} <= {day, today()}
    assert (await admin.get("/api/usage", params={"subject": me, "kind": "documents"})).json() == {
        "usage": [row for row in rows if row["kind"] == "documents"],
        "next": None,
    }
    assert (await admin.delete(f"/api/documents/{await settled(admin, 'h.txt', content)}")).is_success
    assert (await admin.get("/api/usage")).json()["usage"] == rows  # what was used stays used


async def test_sums_pages_and_the_table(platform: Platform, tenant: Tenant, admin: httpx.AsyncClient) -> None:
    days = [datetime(2026, 1, 30, 23, 59, tzinfo=UTC) + timedelta(days=number) for number in range(3)]
    async with platform.engine.leases.lease(tenant.id) as handle:
        for number, at in enumerate(days):
            for subject in ("user:a", "=HYPERLINK()"):
                row = usage_rows(subject, f"{subject}/{number}", {"text_to_speech_ms": number + 1}, at)
                await handle.database.write(row)
    by_day = (await admin.get("/api/usage?by=day,kind&from=2026-01-31")).json()["usage"]
    assert [(row["day"], row["subject"], row["amount"]) for row in by_day] == [
        ("2026-01-31", "", 4),
        ("2026-02-01", "", 6),
    ]
    until = (await admin.get("/api/usage?by=subject&to=2026-01-31&subject=user:a")).json()["usage"]
    assert [row["amount"] for row in until] == [3]

    collected, after = [], None
    for _ in range(10):
        query = {"limit": "2"} | ({} if after is None else {"after": after})
        page = (await admin.get("/api/usage", params=query)).json()
        collected += page["usage"]
        if (after := page["next"]) is None:
            break
    assert collected == (await admin.get("/api/usage")).json()["usage"]
    assert len(collected) == 6

    table = await admin.get("/api/usage", headers={"accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert "usage.csv" in table.headers["content-disposition"]
    read = list(csv.DictReader(io.StringIO(table.text)))
    assert [int(row["amount"]) for row in read] == [row["amount"] for row in collected]
    assert {row["subject"] for row in read} == {"user:a", "'=HYPERLINK()"}


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "to=2026-13-01",
        "kind=money",
        "by=",
        "by=tenant",
        "by=day;DROP",
        "after=nothing",
        "limit=-1",
        "limit=x",
    ],
)
async def test_questions_that_are_refused(admin: httpx.AsyncClient, query: str) -> None:
    answer = await admin.get(f"/api/usage?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


async def test_a_tier_allows_exactly_what_it_says(tmp_path: Path) -> None:
    tiers = {"small": {"documents": 2, "document_bytes": 30}}
    async with open_platform(tmp_path, tiers=tiers) as platform:
        tenant = await platform.engine.catalog.create_tenant("Small", tier="small")
        async with platform.client(await platform.key(tenant)) as client:

            async def upload(content: bytes) -> httpx.Response:
                return await client.post(UPLOAD, files={"file": ("notes.txt", content)})

            too_big = await upload(b"x" * 31)
            assert (too_big.status_code, too_big.json()["error"]["code"]) == (429, "quota_exceeded")
            assert "retry-after" not in too_big.headers
            assert "30 bytes" in too_big.json()["error"]["message"]
            assert (await upload(b"a" * 30)).is_success
            assert (await upload(b"b")).status_code == 429
            (document,) = (await client.get("/api/documents")).json()["documents"]
            assert (await client.delete(f"/api/documents/{document['id']}")).status_code == 204

            statuses: list[int] = []

            async def race(number: int) -> None:
                statuses.append((await upload(b"text %d" % number)).status_code)

            async with anyio.create_task_group() as group:
                for number in range(6):
                    group.start_soon(race, number)
            assert sorted(statuses) == [202, 202, 429, 429, 429, 429]
            assert len((await client.get("/api/documents")).json()["documents"]) == 2
            assert platform.engine.quotas.outstanding(tenant.id) == {}
            blobs = [path for path in (tmp_path / "home").rglob("blobs/*/*") if path.is_file()]
            assert len(blobs) == 2


@pytest.mark.parametrize("kind", ["requests", "cloud_micros", "everything"])
async def test_what_nothing_is_entered_for_is_no_kind(platform: Platform, kind: str) -> None:
    tenant = await platform.tenant(f"No {kind}")
    async with platform.client(await platform.key(tenant, "usage.read")) as client:
        refused = await client.get("/api/usage", params={"kind": kind})
        assert refused.status_code == 400
        assert kind not in refused.json()["error"]["message"]
