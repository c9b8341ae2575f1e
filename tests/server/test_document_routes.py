from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aura_server.app import create_app

from tests.server.conftest import Product, client_for, key_of_new_tenant
from tests.server.serving import serving
from tests.support.engine import open_scripted_engine

pytestmark = pytest.mark.anyio
UPLOAD = "/api/documents/upload"
MIB = 1024 * 1024
BOUNDARY = "limit-of-parts"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(name: str, content: bytes, *, field: str = "file") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def names(product: Product) -> list[str]:
    listed = (await product.client.get("/api/documents")).json()["documents"]
    return [document["name"] for document in listed]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_the_life_of_a_document(product: Product, museum_page: bytes) -> None:
    answer = await product.client.post(UPLOAD, files={"file": ("opening hours.md", museum_page)})
    accepted = answer.json()
    assert answer.status_code == 202
    assert accepted["status"] in ("received", "parsing", "embedding")
    assert answer.headers["location"] == f"/api/documents/{accepted['id']}"

    answer = await product.client.post(
        f"{UPLOAD}?wait=true", files={"file": ("opening hours.md", museum_page)}
    )
    indexed = answer.json()
    assert (answer.status_code, indexed["status"], indexed["id"]) == (201, "indexed", accepted["id"])
    assert (indexed["media_type"], indexed["size_bytes"]) == ("text/markdown", len(museum_page))

    path = f"/api/documents/{indexed['id']}"
    assert (await product.client.get(path)).json() == indexed
    assert await names(product) == ["opening hours.md"]

    original = await product.client.get(f"{path}/original")
    assert original.content == museum_page
    assert original.headers["content-type"] == "application/octet-stream"
    assert original.headers["content-disposition"] == "attachment; filename*=UTF-8''opening%20hours.md"
    assert original.headers["x-content-type-options"] == "nosniff"

    assert (await product.client.delete(path)).status_code == 204
    assert (await product.client.get(path)).status_code == 404
    assert await names(product) == []


@pytest.mark.parametrize("document_id", ["doc_unknown", "1", "..%2f..%2fetc%2fpasswd", "%00"])
@pytest.mark.parametrize("suffix", ["", "/original"])
async def test_an_unknown_document(product: Product, document_id: str, suffix: str) -> None:
    path = f"/api/documents/{document_id}{suffix}"
    answer = await product.client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    if not suffix:
        assert (await product.client.delete(path)).status_code in (404, 405)


async def test_another_tenants_document_does_not_exist(product: Product, museum_page: bytes) -> None:
    answer = await product.client.post(f"{UPLOAD}?wait=true", files={"file": ("hours.md", museum_page)})
    path = f"/api/documents/{answer.json()['id']}"
    for suffix, method in (("", "GET"), ("/original", "GET"), ("", "DELETE")):
        refused = await product.other.request(method, path + suffix)
        unknown = await product.other.request(method, f"/api/documents/doc_unknown{suffix}")
        assert (refused.status_code, refused.json()) == (404, unknown.json())
    assert (await product.other.get("/api/documents")).json() == {"documents": []}
    assert (await product.client.delete(path)).status_code == 204


@pytest.mark.parametrize("declared", [True, False])
async def test_an_upload_of_51_mib_is_refused_in_little_memory(product: Product, declared: bool) -> None:
    head = part("zeros.txt", b"")[:-2]
    size_bytes = len(head) + 51 * MIB + 2 + len(form())
    most_bytes = before_bytes = resident_bytes()

    async def body() -> AsyncIterator[bytes]:
        nonlocal most_bytes
        yield head
        for _ in range(51 * 4):
            most_bytes = max(most_bytes, resident_bytes())
            yield b"0" * (MIB // 4)
        yield b"\r\n" + form()

    headers = FORM | ({"content-length": str(size_bytes)} if declared else {})
    answer = await product.client.post(UPLOAD, content=body(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")
    assert most_bytes - before_bytes < 16 * MIB
    assert await names(product) == []


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("report.pdf", b"MZ\x90\x00\x03" + bytes(6000), 415, "unsupported_media"),
        ("report.pdf", b"\x7fELF\x02\x01" + bytes(100), 415, "unsupported_media"),
        ("empty.txt", b"", 422, "document_unreadable"),
        ("", b"text", 400, "invalid_request"),
        ("x" * 300, b"text", 400, "invalid_request"),
    ],
)
async def test_files_that_are_refused_at_once(
    product: Product, name: str, content: bytes, status: int, code: str
) -> None:
    answer = await product.client.post(UPLOAD, content=form(part(name, content)), headers=FORM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert await names(product) == []


@pytest.mark.parametrize(
    ("name", "content"), [("notes.pdf", b"plain text"), ("broken.pdf", b"%PDF-1.7\nrubbish")]
)
async def test_what_only_the_parser_sees_becomes_the_reason(
    product: Product, name: str, content: bytes
) -> None:
    answer = await product.client.post(f"{UPLOAD}?wait=true", files={"file": (name, content)})
    document = answer.json()
    assert (answer.status_code, document["status"]) == (201, "failed")
    assert document["reason"]
    assert (await product.client.delete(f"/api/documents/{document['id']}")).status_code == 204


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"plain", "text/plain", 415),
        (b"", "multipart/form-data", 415),
        (b"{}", "application/json", 415),
        (b"no form at all", FORM["content-type"], 400),
        (b"", FORM["content-type"], 400),
        (form(), FORM["content-type"], 400),
        (part("cut.txt", b"half of it"), FORM["content-type"], 400),
        (form(part("one.txt", b"1"), part("two.txt", b"2")), FORM["content-type"], 400),
        (form(part("one.txt", b"1").replace(b'; filename="one.txt"', b"")), FORM["content-type"], 400),
        (part("a", b"")[:40] + b"x" * 20_000, FORM["content-type"], 400),
    ],
)
async def test_broken_forms_leave_nothing_behind(
    product: Product, body: bytes, content_type: str, status: int
) -> None:
    answer = await product.client.post(UPLOAD, content=body, headers={"content-type": content_type})
    assert answer.status_code == status
    assert await names(product) == []


async def test_a_path_in_the_name_is_only_a_name(product: Product) -> None:
    body = form(part("../../../etc/\\café\u202e.txt".replace("\\", "/"), b"Tea is served at four."))
    document = (await product.client.post(f"{UPLOAD}?wait=true", content=body, headers=FORM)).json()
    assert (document["name"], document["status"]) == ("café.txt", "indexed")
    assert (await product.client.delete(f"/api/documents/{document['id']}")).status_code == 204


async def test_a_full_disk_refuses_uploads_and_goes_on_reading(tmp_path: Path) -> None:
    async with open_scripted_engine(tmp_path, limits__disk_reserve_bytes=1 << 60) as engine:
        key = await key_of_new_tenant(engine, "Elm Estate")
        async with (
            serving(create_app(engine, pages=tmp_path)) as port,
            client_for(f"http://127.0.0.1:{port}", key) as client,
        ):
            answer = await client.post(UPLOAD, files={"file": ("hours.txt", b"Open at nine.")})
            assert (answer.status_code, answer.json()["error"]["code"]) == (507, "storage_full")
            assert answer.json()["error"]["retryable"] is True
            assert (await client.get("/api/documents")).json() == {"documents": []}
