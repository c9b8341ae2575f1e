from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from aura_server.chat_routes import chat_operations
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from aura_local.conversation.events import ReplyTextDelta
from aura_local.engine import Engine
from aura_local.errors import AuraError, LaneBusy
from aura_local.settings import LimitSettings, Settings
from tests.server.conftest import Product

pytestmark = pytest.mark.anyio
QUESTION = "Every day the museum opens at what hour?"


async def upload(product: Product, content: bytes) -> None:
    answer = await product.client.post(
        "/api/documents/upload?wait=true", files={"file": ("hours.md", content)}
    )
    assert answer.json()["status"] == "indexed"


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


async def test_an_answer_with_citations_and_timings(product: Product, museum_page: bytes) -> None:
    await upload(product, museum_page)
    answer = (await product.client.post("/api/chat", json={"question": QUESTION})).json()
    assert "nine" in answer["answer"]
    assert answer["answered"] is True
    assert answer["citations"][0]["document"] == "hours.md"
    assert "nine" in answer["citations"][0]["quote"]
    assert {"retrieved", "first_text"} <= set(answer["timings"])

    again = {"question": QUESTION, "session_id": answer["session_id"]}
    assert (await product.client.post("/api/chat", json=again)).json()["session_id"] == answer["session_id"]


async def test_the_same_answer_as_events(product: Product, museum_page: bytes) -> None:
    await upload(product, museum_page)
    answer = await product.client.post(
        "/api/chat", json={"question": QUESTION}, headers={"accept": "text/event-stream"}
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    names = [name for name, _ in events]
    assert names[0] == "citations"
    assert names[-1] == "done"
    assert set(names) == {"citations", "delta", "done"}
    told = "".join(data["text"] for name, data in events if name == "delta")
    assert told.strip() == events[-1][1]["answer"]
    assert events[0][1]["citations"][0]["document"] == "hours.md"


async def test_another_tenant_neither_sees_the_documents_nor_the_session(
    product: Product, museum_page: bytes
) -> None:
    await upload(product, museum_page)
    own = (await product.client.post("/api/chat", json={"question": QUESTION})).json()
    theirs = (await product.other.post("/api/chat", json={"question": QUESTION})).json()
    assert theirs["answered"] is False
    assert theirs["citations"] == []
    asked = {"question": QUESTION, "session_id": own["session_id"]}
    assert (await product.other.post("/api/chat", json=asked)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code", "named"),
    [
        (b"{", 400, "invalid_request", "JSON"),
        (b"\xff\xfe", 400, "invalid_request", "JSON"),
        (b"{}", 400, "invalid_request", "question"),
        (b'{"question": ""}', 400, "invalid_request", "question"),
        (b'{"question": 7}', 400, "invalid_request", "question"),
        (b'{"question": "hidden words", "tenant": "x"}', 400, "invalid_request", "tenant"),
        (json.dumps({"question": "x" * 2001}).encode(), 413, "payload_too_large", "2000"),
        (b'{"question": "' + b"x" * 1_100_000, 413, "payload_too_large", "1 MiB"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_bad_questions(
    product: Product, body: bytes, status: int, code: str, named: str, accept: str
) -> None:
    headers = {"content-type": "application/json", "accept": accept}
    answer = await product.client.post("/api/chat", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert named in answer.json()["error"]["message"]
    assert "hidden words" not in answer.text


async def test_another_content_type_is_refused(product: Product) -> None:
    answer = await product.client.post("/api/chat", data={"question": "hello"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media")


# --- how an answer ends, on a scripted stream -------------------------------------------------------

Script = Callable[[], AsyncIterator[ReplyTextDelta]]


async def run_chat(
    script: Script, *, leave_after: int | None = None, deadline_s: float = 5.0, reads: bool = True
) -> list[Message]:
    """Ask with a scripted answer; the client leaves once it has seen `leave_after` messages."""
    sent: list[Message] = []
    left = anyio.Event()

    @asynccontextmanager
    async def answer(*_arguments: object, **_options: object) -> AsyncIterator[SimpleNamespace]:
        yield SimpleNamespace(session_id="s", stream=script())

    settings = Settings(limits=LimitSettings(send_deadline_s=deadline_s))
    engine = cast("Engine", SimpleNamespace(settings=settings, answer=answer))
    waiting = [{"type": "http.request", "body": b'{"question": "?"}', "more_body": False}]

    async def receive() -> Message:
        if waiting:
            return waiting.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if not reads:
            await anyio.sleep_forever()
        sent.append(message)
        if len(sent) == leave_after:
            left.set()

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"content-type", b"application/json"), (b"accept", b"text/event-stream")],
    }
    (operation,) = chat_operations(engine)
    assert operation.for_tenant is not None
    with anyio.fail_after(5):
        application = await operation.for_tenant(
            Request(scope, receive), cast("Any", SimpleNamespace(handle=None, principal=None))
        )
        await application(scope, receive, send)
    return sent


async def test_leaving_cancels_the_work() -> None:
    cancelled = anyio.Event()

    async def endless() -> AsyncIterator[ReplyTextDelta]:
        yield ReplyTextDelta(0, "first ")
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    sent = await run_chat(endless, leave_after=2)
    assert cancelled.is_set()
    assert len(sent) == 2


async def test_a_failure_after_the_first_piece_is_an_event() -> None:
    async def failing() -> AsyncIterator[ReplyTextDelta]:
        yield ReplyTextDelta(0, "first ")
        raise LaneBusy("The queue is full.")

    sent = await run_chat(failing)
    text = b"".join(message.get("body", b"") for message in sent).decode()
    assert events_of(text)[-1] == (
        "error",
        {"code": "lane_busy", "message": "The queue is full.", "retryable": True},
    )
    assert sent[-1]["more_body"] is False


async def test_a_failure_before_it_is_a_plain_answer() -> None:
    async def failing() -> AsyncIterator[ReplyTextDelta]:
        raise LaneBusy("The queue is full.")
        yield

    with pytest.raises(AuraError, match="full"):
        await run_chat(failing)


async def test_a_client_that_stops_reading_is_given_up() -> None:
    async def talkative() -> AsyncIterator[ReplyTextDelta]:
        while True:
            yield ReplyTextDelta(0, "more ")

    with pytest.raises(ClientDisconnect):
        await run_chat(talkative, deadline_s=0.05, reads=False)
