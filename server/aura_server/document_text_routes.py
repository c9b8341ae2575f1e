"""What has been read out of a document: its passages, and the text that they are slices of. Layer 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.types import ASGIApp

from aura_local.errors import Conflict, InvalidRequest, NotFound
from aura_local.retrieval.stored_passages import StoredPassage, stored_passage
from aura_server.authentication import Visit
from aura_server.document_access import visible_document
from aura_server.document_models import DocumentPassage, DocumentText, PassageList, original_at
from aura_server.operations import Operation, json_answer
from aura_server.query_values import whole_number

if TYPE_CHECKING:
    from aura_local.engine import Engine

PASSAGES: Final = 100
PASSAGES_LIMIT: Final = 500
AROUND_CHARACTERS: Final = 2_000
"""Of text on each side of a passage."""


def document_text_operations(engine: Engine) -> list[Operation]:
    """`/api/documents/{document_id}/passages` and `/text`."""

    async def passages(request: Request, visit: Visit) -> ASGIApp:
        limit = whole_number(request, "limit", PASSAGES)
        if not 1 <= limit <= PASSAGES_LIMIT:
            raise InvalidRequest(f"limit is a number from 1 to {PASSAGES_LIMIT}.")
        after = whole_number(request, "after", -1)
        record = await visible_document(engine, request, visit)
        found = await engine.ingestion.passages(visit.handle, record.id, after=after, limit=limit)
        more = found[-1].ordinal if len(found) == limit else None
        shown = [_passage(record.id, passage) for passage in found]
        return json_answer(PassageList(passages=shown, next_after=more))

    async def text(request: Request, visit: Visit) -> ASGIApp:
        record = await visible_document(engine, request, visit)
        wanted = whole_number(request, "passage", 0)
        passage = await visit.handle.database.read(
            lambda connection: stored_passage(connection, record.id, wanted)
        )
        if "passage" in request.query_params and passage is None:
            raise NotFound("The document has no such passage; it may have been replaced.")
        whole = await engine.ingestion.originals.text(visit.handle, record)
        start, end = 0, len(whole)
        if passage is not None:
            if whole[passage.start_character : passage.end_character] != passage.text:
                raise Conflict("The document is read differently now than when it was indexed; add it again.")
            start = max(0, passage.start_character - AROUND_CHARACTERS)
            end = passage.end_character + AROUND_CHARACTERS
        return json_answer(
            DocumentText(
                document_id=record.id,
                text=whole[start:end],
                start_character=start,
                total_characters=len(whole),
                passage=None if passage is None else _passage(record.id, passage),
            )
        )

    one = "/api/documents/{document_id}"
    return [
        Operation(
            "GET",
            f"{one}/passages",
            "The passages that a document has been cut into.",
            {200: PassageList},
            for_tenant=passages,
            needs="documents.read",
            failures=(400, 404),
            query={
                "after": "Position (`ordinal`) behind which to begin.",
                "limit": f"At most so many, up to {PASSAGES_LIMIT}; {PASSAGES} without it.",
            },
        ),
        Operation(
            "GET",
            f"{one}/text",
            "The extracted text that passages are slices of.",
            {200: DocumentText},
            for_tenant=text,
            needs="documents.read",
            failures=(400, 404, 409, 413, 415, 422, 504),
            query={"passage": "Id of a passage: only the text around it."},
        ),
    ]


def _passage(document_id: str, passage: StoredPassage) -> DocumentPassage:
    return DocumentPassage(
        id=passage.id,
        ordinal=passage.ordinal,
        text=passage.text,
        heading=passage.heading,
        page=passage.page,
        start_character=passage.start_character,
        end_character=passage.end_character,
        tokens=passage.tokens,
        open_at=original_at(document_id, passage.page),
    )
