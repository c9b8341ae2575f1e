"""Bad documents, one line of the list each: a clear reason, nothing half-indexed, nothing lost.

The rest of the list (empty, encrypted, truncated and mislabelled files, one that is too large, a full
disk) is in `test_bad_input`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aura_local.benchmark.archive_bombs import ARCHIVE_BOMBS
from aura_local.benchmark.document_bombs import PDF_BOMBS, TEXT_BOMBS
from aura_local.benchmark.made_documents import docx
from tests.e2e.product_server import HTTP_S, Product

pytestmark = [pytest.mark.engines, pytest.mark.llama, pytest.mark.starter]

WELCOME = "The parrot welcomes every guest in the lobby.\n"
LONG = "".join(f"Sentence number {number} of this report is about the weather.\n\n" for number in range(400))


@pytest.fixture(autouse=True)
def lives_on(product: Product) -> Iterator[None]:
    """What was there before is there afterwards and no more, and the server answers from it."""
    before = product.documents()
    yield
    for document in product.documents():
        if document not in before:
            product.http.delete(f"/api/documents/{document['id']}")
    assert product.documents() == before
    product.assert_well()


def uploaded(product: Product, name: str, content: bytes) -> dict[str, Any]:
    """The record of a document that was accepted, at its end."""
    response = product.upload(name, content)
    assert response.status_code == 201, response.text
    record: dict[str, Any] = response.json()
    assert record["status"] in ("indexed", "failed")
    assert record["status"] == "indexed" or record["reason"]
    return record


def test_a_deeply_nested_page(product: Product) -> None:
    uploaded(product, "deep.html", TEXT_BOMBS["deep-tables.html"]())


def test_deeply_nested_data(product: Product) -> None:
    uploaded(product, "deep.json", TEXT_BOMBS["deep-objects.json"]())


def test_a_wrong_encoding(product: Product) -> None:
    """A page that says UTF-8 and is Windows-1252, with a word that is in no dictionary."""
    page = b"<!doctype html><meta charset=utf-8><p>The quimblex na\xefvely caf\xe9 opens at nine.</p>"
    record = uploaded(product, "wrong.html", page)
    assert record["status"] == "indexed"


def test_a_pdf_whose_pages_go_in_circles(product: Product) -> None:
    assert uploaded(product, "loop.pdf", PDF_BOMBS["tree-loop.pdf"]())["status"] == "failed"


def test_a_pdf_of_very_many_pages(product: Product) -> None:
    record = uploaded(product, "pages.pdf", PDF_BOMBS["hundred-thousand-pages.pdf"]())
    assert record["status"] == "failed"
    assert "pages" in record["reason"] or "longer" in record["reason"] or "computing" in record["reason"]


def test_a_workbook_of_a_million_empty_rows(product: Product) -> None:
    uploaded(product, "rows.xlsx", ARCHIVE_BOMBS["million-empty-rows.xlsx"]())


def test_a_document_that_names_a_file_of_the_server(product: Product) -> None:
    record = uploaded(product, "outside.docx", ARCHIVE_BOMBS["outside.docx"]())
    if record["status"] == "indexed":
        passages = product.http.get(f"/api/documents/{record['id']}/passages").text
        assert "root:" not in passages


@pytest.mark.parametrize(
    ("name", "shown"),
    [("../../../etc/passwd.txt", "passwd.txt"), ("C:\\Windows\\notes.txt", "notes.txt")],
    ids=["up", "backslashes"],
)
def test_a_name_with_path_tricks_is_a_name(product: Product, name: str, shown: str) -> None:
    record = uploaded(product, name, f"{WELCOME}{shown}".encode())
    assert (record["name"], record["status"]) == (shown, "indexed")


def test_a_name_of_a_thousand_characters_is_refused(product: Product) -> None:
    response = product.upload("a" * 1000 + ".txt", WELCOME.encode())
    assert response.status_code == 400
    assert "255" in response.json()["error"]["message"]


def test_an_upload_that_stops_half_way_leaves_nothing(product: Product) -> None:
    before = product.documents()
    host, _, port = product.url.removeprefix("http://").partition(":")
    head = (
        f"POST /api/documents/upload HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: Bearer {product.key}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="half.txt"\r\n\r\n'
    )
    with socket.create_connection((host, int(port)), timeout=HTTP_S) as connection:
        connection.sendall(head.encode() + WELCOME.encode() * 1000)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert product.documents() == before
    blobs = product.home.glob("tenants/*/blobs/*.unfinished")
    assert list(blobs) == []


def test_a_document_deleted_while_it_is_read_is_gone(product: Product) -> None:
    accepted = product.upload("long.docx", docx(LONG.split("\n\n")), wait=False).json()
    assert accepted["status"] not in ("indexed", "failed")
    assert product.http.delete(f"/api/documents/{accepted['id']}").status_code == 204
    assert product.http.get(f"/api/documents/{accepted['id']}").status_code == 404
    # Whoever uploads it again gets it read anew, from the beginning.
    again = uploaded(product, "long.docx", docx(LONG.split("\n\n")))
    assert again["id"] != accepted["id"]
    assert again["status"] == "indexed"


def test_the_same_file_twice_at_once_is_one_document(product: Product) -> None:
    with ThreadPoolExecutor(4) as clients:
        content = WELCOME.encode() * 20
        answers = list(clients.map(lambda _: product.upload("twice.txt", content).json(), range(4)))
    assert len({answer["id"] for answer in answers}) == 1
    assert {answer["status"] for answer in answers} == {"indexed"}
    assert sum(document["name"] == "twice.txt" for document in product.documents()) == 1
