"""PDFs of pages that are pictures, as a scanner makes them."""

from __future__ import annotations

import io

import pypdfium2

from tests.retrieval.documents import pdf

DOTS_PER_INCH = 200


def scan(*pages: str, text_layer: str | None = None) -> bytes:
    """Each page drawn and kept as a picture alone; `text_layer` is one more page in front, with text."""
    source = pypdfium2.PdfDocument(pdf(pages))
    target = pypdfium2.PdfDocument.new() if text_layer is None else pypdfium2.PdfDocument(pdf([text_layer]))
    for page in source:
        picture = pypdfium2.PdfImage.new(target)
        picture.set_bitmap(page.render(scale=DOTS_PER_INCH / 72, grayscale=True))
        width, height = page.get_size()
        picture.set_matrix(pypdfium2.PdfMatrix().scale(width, height))
        copy = target.new_page(width, height)
        copy.insert_obj(picture)
        copy.gen_content()
    written = io.BytesIO()
    target.save(written)
    return written.getvalue()
