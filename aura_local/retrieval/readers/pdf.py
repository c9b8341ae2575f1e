"""Reads PDF with pypdf: the text layer, page by page. Scanned pages have none and are not read."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, Final

from aura_local.errors import DocumentUnreadable, PayloadTooLarge
from aura_local.retrieval.readers.block import Block, Reading, one_line

PAGE_LIMIT: Final = 2_000
_DAMAGED: Final = "The PDF is damaged and cannot be opened."
_SENTENCE_END: Final = re.compile(r"[.!?:][\"'”’)]?$")


def read_pdf(data: bytes) -> Reading:
    import pypdf
    import pypdf.errors

    try:
        reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentUnreadable("The PDF needs a password; remove it and try again.")
        page_count = len(reader.pages)
        title = one_line(str(reader.metadata.title or "")) if reader.metadata is not None else ""
    except DocumentUnreadable:
        raise
    except pypdf.errors.DependencyError as error:
        raise DocumentUnreadable("The PDF is encrypted in a way that is not read here.") from error
    except (MemoryError, PayloadTooLarge):
        raise
    except Exception as error:  # pypdf leaks every kind of error from damaged files
        raise DocumentUnreadable(_DAMAGED) from error
    if page_count == 0:
        raise DocumentUnreadable("The PDF has no pages.")
    if page_count > PAGE_LIMIT:
        raise PayloadTooLarge(f"The PDF has {page_count} pages; at most {PAGE_LIMIT} are read.")
    warnings: list[str] = []
    return Reading(title, _blocks(reader, page_count, warnings), warnings)


def _blocks(reader: Any, page_count: int, warnings: list[str]) -> Iterator[Block]:
    unreadable_pages: list[int] = []
    found = False
    for number in range(1, page_count + 1):
        try:
            text = reader.pages[number - 1].extract_text()
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - as above; the page is reported
            unreadable_pages.append(number)
            continue
        for paragraph in _paragraphs(text.split("\n")):
            found = True
            yield Block("paragraph", paragraph, page=number)
    if unreadable_pages:
        warnings.append(f"{len(unreadable_pages)} of {page_count} pages could not be read.")
    if not found:
        raise DocumentUnreadable(
            _DAMAGED
            if unreadable_pages
            else "The PDF has no text layer (scanned?); run text recognition on it."
        )


def _paragraphs(lines: list[str]) -> Iterator[str]:
    """Join wrapped lines. A paragraph ends at an empty line, or where a sentence ends in a short line."""
    widest = max((len(line.strip()) for line in lines), default=0)
    pending = ""
    for line in map(one_line, lines):
        if not line:
            if pending:
                yield pending
            pending = ""
            continue
        if re.search(r"[a-zà-ÿ]-$", pending) and line[0].islower():
            pending = pending[:-1] + line  # a word divided at the end of a line
        else:
            pending = f"{pending} {line}".strip()
        if _SENTENCE_END.search(line) and len(line) < 0.75 * widest:
            yield pending
            pending = ""
    if pending:
        yield pending
