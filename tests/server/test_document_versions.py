"""Next versions, another try, cancellation, and who may know of which document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import httpx
import pytest

from aura_local.storage.catalog import Tenant
from tests.server.people import Platform, open_platform, settled

pytestmark = pytest.mark.anyio
HOURS = b"The museum opens at nine every day."
DOGS = b"Dogs have to wait outside."


@dataclass(frozen=True)
class House:
    platform: Platform
    tenant: Tenant
    admin: httpx.AsyncClient
    member: httpx.AsyncClient
    viewer: httpx.AsyncClient
    keeper: httpx.AsyncClient
    """With a key that may write documents."""
    reader: httpx.AsyncClient
    """With a key that may read them."""


@pytest.fixture(scope="module")
async def house(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with open_platform(tmp_path_factory.mktemp("house")) as platform:
        tenant = await platform.tenant("House")
        people = [
            await platform.signed_in(tenant, role, f"{role}@house.example")
            for role in ("admin", "member", "viewer")
        ]
        keys = [
            platform.client(await platform.key(tenant, *scopes))
            for scopes in (("documents.read", "documents.write"), ("documents.read",))
        ]
        yield House(platform, tenant, *people, *keys)
        for client in (*people, *keys):
            await client.aclose()


async def send(client: httpx.AsyncClient, document_id: str, name: str, content: bytes) -> httpx.Response:
    path = f"/api/documents/{document_id}/content?wait=true"
    with anyio.fail_after(20):
        return await client.put(path, files={"file": (name, content)})


# --- versions --------------------------------------------------------------------------------------


async def test_a_next_version(house: House) -> None:
    document_id = await settled(house.member, "hours.txt", HOURS)
    answer = await send(house.member, document_id, "dogs.txt", DOGS)
    replaced = answer.json()
    assert (answer.status_code, replaced["id"], replaced["version"]) == (201, document_id, 2)
    assert (replaced["status"], replaced["name"]) == ("indexed", "dogs.txt")
    assert replaced["indexed_sha256"] == replaced["sha256"]
    path = f"/api/documents/{document_id}"
    assert (await house.member.get(f"{path}/original")).content == DOGS

    failed = (await send(house.member, document_id, "dogs.pdf", b"%PDF-1.7\nrubbish")).json()
    assert (failed["status"], failed["version"]) == ("failed", 3)
    assert failed["reason"].endswith("; the earlier version still answers.")
    assert failed["indexed_sha256"] == replaced["sha256"] != failed["sha256"]
    assert (await house.member.get(f"{path}/original")).content == DOGS
    assert (await house.member.delete(path)).status_code == 204


async def test_every_version_counts_its_bytes_and_one_document(house: House) -> None:
    async def used() -> dict[str, int]:
        async with house.platform.engine.leases.lease(house.tenant.id) as handle:
            rows = await handle.database.read(
                lambda database: database.execute("SELECT kind, amount FROM usage_months").fetchall()
            )
        return dict(rows)

    before = await used()
    document_id = await settled(house.admin, "count.txt", b"The well is deep.")
    for _ in range(2):
        await send(house.admin, document_id, "count.txt", b"The well is dry.")
    after = await used()
    assert after["documents"] - before.get("documents", 0) == 1
    assert after["document_bytes"] - before.get("document_bytes", 0) == 17 + 16


@pytest.mark.parametrize(
    ("name", "content", "status"), [("x.pdf", b"MZ\x90\x00", 415), ("x.txt", b"", 422), ("", b"x", 400)]
)
async def test_a_version_that_is_refused_at_once_changes_nothing(
    house: House, name: str, content: bytes, status: int
) -> None:
    document_id = await settled(house.member, "hours.txt", HOURS)
    path = f"/api/documents/{document_id}"
    before = (await house.member.get(path)).json()
    body = f'--x\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'.encode()
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = await house.member.put(
        f"{path}/content", content=body + content + b"\r\n--x--\r\n", headers=headers
    )
    assert answer.status_code == status
    assert (await house.member.get(path)).json() == before


async def test_a_version_may_be_as_large_as_an_upload(house: House) -> None:
    document_id = await settled(house.member, "hours.txt", HOURS)
    words = b"word " * 300_000  # more than a JSON body may have
    assert len(words) > house.platform.engine.settings.limits.json_body_bytes
    answer = await house.member.put(
        f"/api/documents/{document_id}/content", files={"file": ("hours.txt", words)}
    )
    assert answer.status_code == 202
    assert (await house.member.post(f"/api/documents/{document_id}/cancel")).status_code == 200


# --- another try, cancellation ---------------------------------------------------------------------


async def test_cancelled_and_tried_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = house.platform.engine.ingestion._embedder
    held = anyio.Event()
    monkeypatch.setattr(embedder.script, "hold", held)  # type: ignore[attr-defined]
    uploaded = await house.member.post("/api/documents/upload", files={"file": ("well.txt", b"A deep well.")})
    path = f"/api/documents/{uploaded.json()['id']}"
    with anyio.fail_after(20):
        while (await house.member.get(path)).json()["progress"]["passages_total"] is None:
            await anyio.lowlevel.checkpoint()
    working = (await house.member.get(path)).json()
    assert working["status"] == "embedding"
    assert working["progress"] == {
        "stage": "embedding", "pages": None, "passages_done": 0, "passages_total": 1
    }  # fmt: skip
    cancelled = await house.member.post(f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "failed")
    assert (cancelled.json()["reason"], cancelled.json()["progress"]) == ("cancelled", None)
    again = await house.member.post(f"{path}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")

    held.set()
    retried = await house.member.post(f"{path}/retry")
    assert (retried.status_code, retried.json()["status"]) == (202, "received")
    assert await settled(house.member, "well.txt", b"A deep well.") == path.rpartition("/")[2]
    assert (await house.member.post(f"{path}/retry")).status_code == 409


# --- labels ----------------------------------------------------------------------------------------


async def test_documents_for_admins_are_not_there_for_others(house: House) -> None:
    document_id = await settled(house.admin, "plan.txt", b"The vault is under the stairs.", "admins")
    path = f"/api/documents/{document_id}"
    unknown = "/api/documents/doc_unknown"
    for client, sees in (
        (house.admin, True),
        (house.keeper, True),
        (house.member, False),
        (house.viewer, False),
        (house.reader, False),
    ):
        listed = (await client.get("/api/documents")).json()["documents"]
        assert (document_id in [one["id"] for one in listed]) is sees
        for end in ("", "/original", "/passages", "/text"):
            answer = await client.get(path + end)
            assert (answer.status_code == 200) is sees, end
            if not sees:
                assert answer.content == (await client.get(unknown + end)).content
    for method, end in (
        ("DELETE", ""), ("POST", "/retry"), ("POST", "/cancel"), ("PUT", "/content"), ("PATCH", "")
    ):  # fmt: skip
        body = {"json": {"audience": "members"}} if method == "PATCH" else {}
        assert (await house.member.request(method, path + end, **body)).status_code == 404  # type: ignore[arg-type]
    # The same bytes from a member are a document of their own.
    assert await settled(house.member, "own.txt", b"The vault is under the stairs.") != document_id


async def test_labels(house: House) -> None:
    answer = await house.member.post(
        "/api/documents/upload?audience=public&sensitivity=internal", files={"file": ("p.txt", b"Free tea.")}
    )
    document = answer.json()
    assert (document["audience"], document["sensitivity"]) == ("public", "internal")
    path = f"/api/documents/{document['id']}"
    changed = (await house.member.patch(path, json={"sensitivity": "confidential"})).json()
    assert (changed["audience"], changed["sensitivity"]) == ("public", "confidential")
    assert "policy.changed" in await house.platform.actions(house.tenant.id)
    for wrong in ({}, {"audience": "everybody"}, {"sensitivity": "secret"}):
        assert (await house.member.patch(path, json=wrong)).status_code == 400
    hidden = await house.member.patch(path, json={"audience": "admins"})
    assert (hidden.status_code, hidden.json()["error"]["code"]) == (403, "permission_denied")
    for query in ("audience=all", "sensitivity=high"):
        refused = await house.member.post(
            f"/api/documents/upload?{query}", files={"file": ("q.txt", b"Tea.")}
        )
        assert refused.status_code == 400
    assert (await house.admin.patch(path, json={"audience": "admins"})).status_code == 200
    assert (await house.member.get(path)).status_code == 404


# --- passages and text -----------------------------------------------------------------------------


async def test_passages_and_the_text_around_one(house: House) -> None:
    rooms = b"".join(b"# Room %d\n\nThe room has %d chairs. It is warm.\n\n" % (n, n) for n in range(150))
    document_id = await settled(house.member, "rooms.md", rooms)
    path = f"/api/documents/{document_id}"
    first = (await house.viewer.get(f"{path}/passages?limit=100")).json()
    rest = (await house.viewer.get(f"{path}/passages?after={first['next_after']}")).json()
    passages = first["passages"] + rest["passages"]
    assert [one["ordinal"] for one in passages] == list(range(len(passages)))
    assert rest["next_after"] is None
    assert passages[0]["open_at"] == f"{path}/original"

    whole = (await house.viewer.get(f"{path}/text")).json()
    assert (whole["start_character"], whole["total_characters"]) == (0, len(whole["text"]))
    middle = passages[75]
    around = (await house.viewer.get(f"{path}/text?passage={middle['id']}")).json()
    assert around["passage"] == middle
    assert 0 < around["start_character"] < middle["start_character"]
    assert len(around["text"]) < len(whole["text"])
    for text, first_character in ((whole["text"], 0), (around["text"], around["start_character"])):
        start, end = (middle[f"{side}_character"] - first_character for side in ("start", "end"))
        assert text[start:end] == middle["text"]
    for wrong, status in (
        ("/text?passage=999999", 404), ("/text?passage=x", 400), ("/passages?limit=0", 400),
        ("/passages?limit=501", 400), ("/passages?after=-5", 400),
    ):  # fmt: skip
        assert (await house.viewer.get(path + wrong)).status_code == status
