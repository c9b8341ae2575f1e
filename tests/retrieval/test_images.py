"""Image files: read by recognition with their pages, refused by their headers, or said what they lack."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from aura_local.adapters.minilm_embedder import MiniLmEmbedder
from aura_local.errors import DocumentUnreadable, PayloadTooLarge, UnsupportedMedia
from aura_local.retrieval.ingestion import Ingestion
from aura_local.retrieval.parsing import parse_document
from aura_local.retrieval.readers.document import read_document
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.media_type import binary_media_type
from aura_local.retrieval.readers.recognition import Recognition
from tests.retrieval.conftest import OpenTenant
from tests.retrieval.documents import archive
from tests.retrieval.pictures import drawn, encoded, pages, promised_png, promised_tiff, promised_webp
from tests.retrieval.reading import read
from tests.retrieval.uploads import chunks

HOURS = "The museum opens at nine in the morning."
PRICES = "A ticket costs twelve euros."
ROTATED_BY_THE_CAMERA = 6
ORIENTATION = 0x0112


def turned() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = ROTATED_BY_THE_CAMERA
    return encoded(drawn(HOURS, "RGB").transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)


def transparent() -> bytes:
    """Black letters on nothing, whose colour happens to be black."""
    ink = Image.new("RGBA", drawn(HOURS).size, (0, 0, 0, 0))
    ink.putalpha(drawn(HOURS).point(lambda shade: 255 - shade))
    return encoded(ink, "PNG")


def of_many_shades() -> bytes:
    page = drawn(HOURS).convert("I").point(lambda shade: shade * 200 + 4000)
    return encoded(page.convert("I;16"), "PNG")


@pytest.mark.ocr
@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "webp"])
async def test_each_kind_is_read_in_the_worker(kind: str) -> None:
    parsed = await parse_document(encoded(drawn(HOURS, "RGB"), kind), "note.dat")
    assert parsed.media_type == f"image/{kind}"
    assert [(block.page, block.text) for block in parsed.blocks] == [(0, HOURS)]
    assert parsed.warning == "The text of 1 of 1 pages was recognised and may hold errors."


@pytest.mark.ocr
@pytest.mark.parametrize(
    "data",
    [
        turned(),
        transparent(),
        of_many_shades(),
        encoded(drawn(HOURS, "1"), "TIFF", compression="group4"),
        encoded(drawn(HOURS, "CMYK"), "JPEG"),
        encoded(drawn(HOURS, "P"), "PNG"),
    ],
    ids=["turned", "transparent", "16 bits", "fax", "printer's colours", "palette"],
)
def test_what_cameras_scanners_and_programs_make(data: bytes) -> None:
    assert [block.text for block in read(data, "note")] == [HOURS]


@pytest.mark.ocr
@pytest.mark.anyio
async def test_a_tiff_is_found_and_cited_by_its_page(
    open_tenant: OpenTenant, embedder: MiniLmEmbedder
) -> None:
    async with open_tenant() as handle:
        ingestion = Ingestion(embedder)
        accepted = await ingestion.add(handle, "fax.tif", chunks(pages(HOURS, PRICES)))
        record = await ingestion.index(handle, accepted.id)
        assert (record.status, record.media_type, record.page_count) == ("indexed", "image/tiff", 2)
        passages = await ingestion.passages(handle, record.id)
        (ticket,) = [passage for passage in passages if "twelve euros" in passage.text]
        assert ticket.page == 2


@pytest.mark.ocr
def test_pages_that_are_broken_or_beyond_the_time_are_counted() -> None:
    data = bytearray(pages(HOURS, PRICES, compression="tiff_lzw"))
    first_strip = 8
    data[first_strip : first_strip + 64] = b"\xff" * 64
    _, reading = read_document(bytes(data), "fax.tif", ReadingLimits())
    assert [(block.page, block.text) for block in reading.blocks] == [(2, PRICES)]
    assert reading.warnings[-1] == "1 of 2 pages could not be read."
    with pytest.raises(DocumentUnreadable, match=r"2 scanned pages .* did not fit into the time"):
        read(pages(HOURS, PRICES), "fax.tif", ReadingLimits(cpu_s=0))


@pytest.mark.ocr
@pytest.mark.anyio
async def test_a_photo_without_text_says_so() -> None:
    with pytest.raises(DocumentUnreadable, match="No text was recognised in the image"):
        await parse_document(encoded(Image.new("RGB", (800, 600), (90, 120, 200)), "JPEG"), "sea.jpg")


@pytest.mark.ocr
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_images_that_are_cut_short_are_damaged(kind: str) -> None:
    data = encoded(drawn(HOURS), kind)
    for kept in (16, 40, len(data) // 2):
        with pytest.raises(DocumentUnreadable, match="damaged or cut short"):
            read(data[:kept], "note")


@pytest.mark.ocr
@pytest.mark.parametrize(
    "data",
    [
        promised_png(60_000, 60_000),
        promised_png(9_000, 9_000, colour_type=0),
        promised_png(7_000, 7_000),
        promised_tiff((60_000, 60_000)),
        promised_tiff((100, 100), (60_000, 60_000)),
        *(promised_webp(16_000, 16_000, kind) for kind in (b"VP8X", b"VP8L", b"VP8 ")),
    ],
    ids=["huge", "grey", "coloured", "tiff", "second page", "webp", "lossless webp", "lossy webp"],
)
@pytest.mark.anyio
async def test_too_many_pixels_are_refused_by_the_header(data: bytes) -> None:
    """In less memory than the pixels would take: nothing of them was decoded."""
    limits = ReadingLimits(cpu_s=3, wall_s=10, memory_bytes=100 * 1024 * 1024)
    with pytest.raises(PayloadTooLarge, match="more pixels than are read"):
        await parse_document(data, "bomb", limits=limits)


@pytest.mark.ocr
def test_too_many_pages_are_refused_before_the_first_is_decoded() -> None:
    limits = ReadingLimits(pages=3)
    with pytest.raises(PayloadTooLarge, match="more than 3 pages"):
        read(promised_tiff(*[(100, 100)] * 4), "fax.tif", limits)
    with pytest.raises(DocumentUnreadable, match="damaged"):  # three are tried
        read(promised_tiff(*[(100, 100)] * 3), "fax.tif", limits)


@pytest.mark.anyio
async def test_without_recognition_the_reason_says_what_is_lacking() -> None:
    data = encoded(Image.new("L", (10, 10)), "PNG")
    nowhere = ReadingLimits(recognition=Recognition(("eng",), Path("/nowhere")))
    with pytest.raises(
        DocumentUnreadable, match=r"read by recognition, which is lacking\. .*(traineddata|pip)"
    ):
        await parse_document(data, "note.png", limits=nowhere)
    with pytest.raises(DocumentUnreadable, match=r"documents\.recognise_text turns off"):
        await parse_document(data, "note.png", limits=ReadingLimits(recognition=None))


def test_the_first_bytes_tell_and_the_name_does_not() -> None:
    for kind in ("png", "jpeg", "tiff", "webp"):
        assert binary_media_type(encoded(Image.new("L", (10, 10)), kind)[:4096]) == f"image/{kind}"
    with pytest.raises(UnsupportedMedia, match=r"named \.png but holds plain text"):
        read(b"no picture", "a.png")
    with pytest.raises(UnsupportedMedia, match="an audio or video file"):
        binary_media_type(b"RIFF\x00\x10\x00\x00WAVEfmt " + bytes([0, 255]) * 50)


def test_images_in_archives_are_left_out() -> None:
    data = archive({"a.md": b"We open at ten.", "logo.png": encoded(Image.new("L", (10, 10)), "PNG")})
    _, reading = read_document(data, "site.zip", ReadingLimits())
    assert [block.text for block in reading.blocks] == ["a.md", "We open at ten."]
    assert reading.warnings == ["logo.png: An image inside an archive is not read; add it by itself."]
