"""Reads a document of an unknown, untrusted kind into plain blocks of text. Layer 2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from aura_local.errors import DocumentUnreadable
from aura_local.isolation import WorkerLimits, run_isolated
from aura_local.retrieval.extraction import decode_response, encode_request, response_limit_bytes
from aura_local.retrieval.readers.block import Block
from aura_local.retrieval.readers.limits import DEFAULT_LIMITS, ReadingLimits
from aura_local.retrieval.readers.media_type import MediaType


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """The text of a document in reading order."""

    media_type: MediaType
    """What the content is, whatever the name says."""
    title: str
    """From the document, else its first heading, else its file name without extension."""
    blocks: tuple[Block, ...]
    """At least one."""
    warning: str = ""
    """What could not be read, in one sentence; empty when everything was."""

    @property
    def page_count(self) -> int:
        """Number of the last page with text, 0 where the kind has no pages."""
        return max(block.page for block in self.blocks)


async def parse_document(data: bytes, name: str, *, limits: ReadingLimits = DEFAULT_LIMITS) -> ParsedDocument:
    """Parse a file in a worker process of its own.

    Raises `UnsupportedMedia` (another kind of file; the message says which), `DocumentUnreadable` (empty,
    damaged, encrypted, without text), `PayloadTooLarge` and `DeadlineExceeded` (bombs). Cancelling the
    call ends the worker.
    """
    if not data:
        raise DocumentUnreadable("The file is empty.")
    request = encode_request(name[:255], data, limits)
    response = await run_isolated(
        "document.extract",
        request,
        limits=WorkerLimits(
            wall_s=limits.wall_s,
            cpu_s=limits.cpu_s,
            memory_bytes=limits.memory_bytes,
            input_bytes=len(request),  # how large a document may be is decided where it is accepted
            output_bytes=response_limit_bytes(limits),
        ),
        unreadable=_unreadable,
    )
    try:
        media_type, title, warning, blocks = decode_response(response)
    except ValueError as error:
        raise _unreadable() from error
    heading = next((block.text for block in blocks if block.kind == "heading"), "")
    return ParsedDocument(media_type, title or heading or PurePath(name).stem, blocks, warning)


def _unreadable() -> DocumentUnreadable:
    return DocumentUnreadable("The document is damaged in a way that stops its reader.")
