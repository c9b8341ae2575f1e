"""Scanned pages: recognised where that is possible, and said to be so; else how it would be."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.adapters.minilm_embedder import MiniLmEmbedder
from aura_local.errors import DocumentUnreadable
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.parsing import parse_document
from aura_local.retrieval.readers.document import read_document
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.recognition import Recognition, missing_for, unpacked_recognition
from tests.retrieval.conftest import OpenTenant
from tests.retrieval.scans import scan
from tests.retrieval.uploads import chunks

HOURS = "Opening hours\n\nThe museum opens at nine in the morning.\nIt closes at six in the evening."
PRICES = "Prices\n\nA ticket costs twelve euros."
NOWHERE = Recognition(("eng",), Path("/nowhere"))


@pytest.mark.ocr
@pytest.mark.anyio
async def test_a_scan_is_recognised_in_the_worker_with_its_pages() -> None:
    parsed = await parse_document(scan(HOURS, PRICES), "scan.pdf")
    assert [(block.page, block.text) for block in parsed.blocks] == [
        (1, "Opening hours"),
        (1, "The museum opens at nine in the morning. It closes at six in the evening."),
        (2, "Prices"),
        (2, "A ticket costs twelve euros."),
    ]
    assert parsed.warning == "The text of 2 of 2 pages was recognised and may hold errors."


@pytest.mark.ocr
@pytest.mark.anyio
async def test_a_scan_is_found_and_cited_by_its_page(
    open_tenant: OpenTenant, embedder: MiniLmEmbedder
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        accepted = await ingestion.add(handle, "scan.pdf", chunks(scan(HOURS, PRICES)))
        record = await ingestion.index(handle, accepted.id)
        assert (record.status, record.page_count) == ("indexed", 2)
        assert record.reason is not None
        assert "recognised" in record.reason
        passages = await ingestion.passages(handle, record.id)
        assert {passage.page for passage in passages} == {1, 2}
        (ticket,) = [passage for passage in passages if "twelve euros" in passage.text]
        text = await ingestion.originals.text(handle, record)
        assert (ticket.page, text[ticket.start_character : ticket.end_character]) == (2, ticket.text)


@pytest.mark.ocr
@pytest.mark.anyio
async def test_pages_with_a_text_layer_are_left_to_it() -> None:
    parsed = await parse_document(scan(HOURS, text_layer="Dogs have to wait outside."), "mixed.pdf")
    assert parsed.blocks[0].text == "Dogs have to wait outside."
    assert parsed.blocks[-1].page == 2
    assert parsed.warning == "The text of 1 of 2 pages was recognised and may hold errors."


@pytest.mark.ocr
def test_pages_that_time_does_not_suffice_for_are_left_out_and_counted() -> None:
    """As little time as that begins no page, but reads the text layer."""
    limits = ReadingLimits(cpu_s=0, wall_s=30)
    _, reading = read_document(scan(HOURS, PRICES, text_layer="Dogs wait outside."), "mixed.pdf", limits)
    assert [block.text for block in reading.blocks] == ["Dogs wait outside."]
    assert "2 scanned pages are too large or did not fit into the time" in reading.warnings[0]


@pytest.mark.ocr
@pytest.mark.anyio
async def test_a_picture_without_letters_says_so() -> None:
    with pytest.raises(DocumentUnreadable, match="no text was recognised on its pages"):
        await parse_document(scan("|"), "stroke.pdf")


@pytest.mark.anyio
async def test_without_recognition_the_reason_is_what_it_was() -> None:
    with pytest.raises(DocumentUnreadable, match=r"no text layer \(scanned\?\).* add the result\.$"):
        await parse_document(scan(HOURS), "scan.pdf", limits=ReadingLimits(recognition=None))


@pytest.mark.anyio
async def test_without_its_data_the_reason_says_what_is_lacking() -> None:
    with pytest.raises(DocumentUnreadable, match=r"add the result\. .*lacks eng\.traineddata\.$"):
        await parse_document(scan(HOURS), "scan.pdf", limits=ReadingLimits(recognition=NOWHERE))


def test_one_command_gets_what_is_lacking() -> None:
    lacking = missing_for(Recognition(("xyz", "chi_abc")))
    assert lacking.endswith("sudo apt-get install tesseract-ocr-xyz tesseract-ocr-chi-abc")


def test_the_wish_survives_the_way_to_the_worker() -> None:
    wish = Recognition(("eng", "deu"), Path("/data/with spaces"))
    assert unpacked_recognition(wish.packed()) == wish
    assert unpacked_recognition("") is None
