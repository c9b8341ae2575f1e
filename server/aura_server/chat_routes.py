"""`POST /api/chat`: a typed question, answered whole as JSON or piece by piece as events. Layer 5.

Both forms run the engine's one answer path. A client that leaves takes its work with it.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from aura_local.conversation.events import CitationsFound
from aura_local.errors import AuraError, PayloadTooLarge
from aura_server.authentication import Visit
from aura_server.event_stream import EVENT_STREAM, EventWriter, while_connected
from aura_server.json_body import RequestBody, read_json
from aura_server.operations import Operation, json_answer
from aura_server.problems import error_body

if TYPE_CHECKING:
    from aura_local.conversation.reply import AnswerEvent
    from aura_local.engine import ChatStream, Engine


class ChatRequest(RequestBody):
    """A question about the tenant's documents."""

    question: str = Field(min_length=1)
    session_id: str | None = Field(None, max_length=100, description="Continues an earlier conversation.")


class ChatCitation(BaseModel):
    """The place in a document that the answer rests on."""

    model_config = ConfigDict(from_attributes=True)

    document_id: str
    document: str
    heading: str
    page: int | None
    passage_id: int
    start_character: int
    end_character: int
    quote: str


class ChatAnswer(BaseModel):
    """The whole answer."""

    answer: str
    answered: bool
    """False when the documents hold nothing on the question."""
    citations: list[ChatCitation]
    session_id: str
    timings: dict[str, float]
    """Milliseconds from the question to the end of each stage."""
    work: dict[str, int]
    """Tokens counted."""


def chat_operations(engine: Engine) -> list[Operation]:
    """`POST /api/chat`."""
    limits = engine.settings.limits

    async def chat(request: Request, visit: Visit) -> ASGIApp:
        asked = await read_json(request, ChatRequest)
        if len(asked.question) > limits.question_characters:
            raise PayloadTooLarge(f"A question has at most {limits.question_characters} characters.")
        answering = engine.answer(
            visit.handle, asked.question, asker=visit.principal, session_id=asked.session_id
        )
        as_events = EVENT_STREAM in request.headers.get("accept", "")
        return _ChatAnswering(answering, as_events, limits.send_deadline_s)

    return [
        Operation(
            "POST",
            "/api/chat",
            "Answer a question from the tenant's documents; with `Accept: text/event-stream` as the events "
            "`citations`, `delta`, `done` and `error`.",
            answers={200: ChatAnswer},
            for_tenant=chat,
            needs="talk",
            failures=(400, 404, 413, 415),
            body=ChatRequest,
        )
    ]


@dataclass(frozen=True, slots=True)
class _ChatAnswering:
    """Answers while the client listens. Errors before the first piece of text are plain HTTP answers."""

    answering: AbstractAsyncContextManager[ChatStream]
    as_events: bool
    send_deadline_s: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.as_events:
            await while_connected(receive, lambda: self._send_events(send))
        else:
            await while_connected(receive, lambda: self._send_whole(scope, receive, send))

    async def _send_whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self.answering as chat:
            async for _ in chat.stream:
                pass
            answer = _answer_of(chat)
        await json_answer(answer)(scope, receive, send)

    async def _send_events(self, send: Send) -> None:
        events = EventWriter(send, self.send_deadline_s)
        try:
            async with self.answering as chat:
                async for event in chat.stream:
                    await events.write(*_wire(event))
                answer = _answer_of(chat)
            await events.write("done", answer.model_dump(mode="json"))
        except AuraError as error:
            if not events.begun:
                raise
            await events.write("error", error_body(error)["error"])
        await events.finish()


def _wire(event: AnswerEvent) -> tuple[str, dict[str, Any]]:
    if isinstance(event, CitationsFound):
        citations = [ChatCitation.model_validate(citation).model_dump() for citation in event.citations]
        return "citations", {"citations": citations}
    return "delta", {"text": event.text}


def _answer_of(chat: ChatStream) -> ChatAnswer:
    answer = chat.stream.answer
    return ChatAnswer(
        answer=answer.text,
        answered=answer.answered,
        citations=[ChatCitation.model_validate(citation) for citation in answer.citations],
        session_id=chat.session_id,
        timings=dict(answer.stages_ms),
        work=dict(answer.work),
    )
