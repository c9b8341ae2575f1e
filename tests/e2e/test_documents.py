"""A document's whole life over HTTP: uploaded, cited, deleted; and what survives accidents."""

from __future__ import annotations

import io
import json
import shutil
import zlib
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.command_line import aura
from tests.e2e.product_server import Product, serve

pytestmark = [pytest.mark.engines, pytest.mark.llama, pytest.mark.starter]


def plain(sentence: str) -> bytes:
    return f"{sentence}\n".encode()


def markdown(sentence: str) -> bytes:
    return f"# News\n\n{sentence}\n".encode()


def web_page(sentence: str) -> bytes:
    return f"<!doctype html><title>News</title><body><h1>News</h1><p>{sentence}</p></body>".encode()


def word_document(sentence: str) -> bytes:
    import docx

    document = docx.Document()
    document.add_heading("News", level=1)
    document.add_paragraph(sentence)
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def pdf(sentence: str) -> bytes:
    """One page with one line of text, written out by hand: nothing but the format itself."""
    drawing = zlib.compress(f"BT /F1 12 Tf 72 720 Td ({sentence}) Tj ET".encode("latin-1"))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    content = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % place for place in places)
    content += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(content)


NEWS = [
    ("flower.txt", plain, "flower show", "The flower show takes place in the greenhouse."),
    ("chess.md", markdown, "chess club", "The chess club meets in the observatory."),
    ("puppets.html", web_page, "puppet theatre", "The puppet theatre plays in the old boathouse."),
    ("robots.pdf", pdf, "robot parade", "The robot parade begins at the lighthouse."),
    ("bees.docx", word_document, "beekeeper", "The beekeeper waits for you in the orchard."),
]


@pytest.mark.parametrize(("name", "written", "subject", "sentence"), NEWS, ids=[news[0] for news in NEWS])
def test_a_document_is_cited_until_it_is_deleted(
    product: Product, name: str, written: object, subject: str, sentence: str
) -> None:
    assert callable(written)
    question, place = f"Where can I find the {subject}?", sentence.rstrip(".").split()[-1]
    assert place not in product.ask(question)["answer"]

    uploaded = product.upload(name, written(sentence))
    assert uploaded.status_code == 201
    document = uploaded.json()
    assert (document["status"], document["passage_count"]) == ("indexed", 1)

    answer = product.ask(question)
    assert place in answer["answer"]
    cited = answer["citations"][0]
    assert (cited["document_id"], cited["document"]) == (document["id"], name)
    assert cited["quote"] == sentence

    assert product.http.delete(f"/api/documents/{document['id']}").status_code == 204
    assert product.http.get(f"/api/documents/{document['id']}").status_code == 404
    after = product.ask(question)
    assert place not in after["answer"]
    assert name not in [citation["document"] for citation in after["citations"]]
    assert not list((product.home / "tenants").glob(f"*/blobs/**/{document['sha256']}*"))


@pytest.mark.parametrize("by_hand", [False, True], ids=["at_first_use", "by_aura_reindex"])
def test_a_lost_index_is_rebuilt_and_cites_the_same_places(copied_museum: Path, by_hand: bool) -> None:
    questions = ["How much is an adult ticket?", "When does the museum open?", "Where is the cloakroom?"]
    with serve(copied_museum) as product:
        before = [product.ask(question)["citations"] for question in questions]
    for folder in (copied_museum / "home" / "tenants").glob("*/chroma"):
        shutil.rmtree(folder)
    if by_hand:
        run = aura(copied_museum, "reindex", "--all", "--json")
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout)["rebuilt"][0]["vectors"] > 10
    with serve(copied_museum) as product:
        assert [product.ask(question)["citations"] for question in questions] == before
    assert len(list((copied_museum / "home" / "tenants").glob("*/chroma"))) == 1


def report(number: int) -> bytes:
    """A document that takes a second or so to index."""
    sentences = (f"Paragraph {n} of report {number} is about subject {n * 7}." for n in range(150))
    return " ".join(sentences).encode()


def test_after_a_kill_while_indexing_every_acknowledged_document_is_indexed_once(
    copied_museum: Path,
) -> None:
    names = [f"report-{number}.txt" for number in range(8)]
    with serve(copied_museum) as product:
        museum = len(product.documents())
        for number, name in enumerate(names):
            assert product.upload(name, report(number), wait=False).status_code == 202
        unfinished = [document for document in product.documents() if document["status"] != "indexed"]
        assert unfinished, "nothing was left to do"
        product.kill()
    with serve(copied_museum) as product:
        # Sent again, each waits until it is indexed; nothing is stored a second time.
        for number, name in enumerate(names):
            assert product.upload(name, report(number)).json()["status"] == "indexed"
        documents = product.documents()
        counted = Counter(document["name"] for document in documents)
        assert [counted[name] for name in names] == [1] * len(names)
        assert len(documents) == museum + len(names)
        assert {document["status"] for document in documents} == {"indexed"}
        product.assert_well()
