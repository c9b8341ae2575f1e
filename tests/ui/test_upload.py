"""The page offers to add what the server reads."""

from __future__ import annotations

import re
from pathlib import Path

from aura_local.retrieval.readers.media_type import READABLE_SUFFIXES

PAGE = Path(__file__).resolve().parents[2] / "ui" / "app" / "index.html"


def test_the_file_picker_offers_every_kind_of_document_that_is_read() -> None:
    found = re.search(r'accept="([^"]*)"', PAGE.read_text(encoding="utf-8"))
    assert found is not None
    assert set(found[1].split(",")) >= READABLE_SUFFIXES
