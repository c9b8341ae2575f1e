"""Server-sent events to a client that must keep reading. Layer 5."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Send

EVENT_STREAM: Final = "text/event-stream"


class EventWriter:
    """Writes events one after the other; the first one begins the answer.

    Its methods raise `ClientDisconnect` for a client that takes longer than `deadline_s` to read.
    """

    def __init__(self, send: Send, deadline_s: float) -> None:
        self._send = send
        self._deadline_s = deadline_s
        self.begun = False

    async def write(self, event: str, data: dict[str, Any]) -> None:
        await self._write(f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n")

    async def heartbeat(self) -> None:
        """A comment, so that proxies and clients know the connection to be alive."""
        await self._write(": alive\n\n")

    async def finish(self) -> None:
        await self._pass({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, text: str) -> None:
        if not self.begun:
            self.begun = True
            headers = [
                (b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode()),
                (b"x-accel-buffering", b"no"),
            ]
            await self._pass({"type": "http.response.start", "status": 200, "headers": headers})
        await self._pass({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def _pass(self, message: Message) -> None:
        try:
            with anyio.fail_after(self._deadline_s):
                await self._send(message)
        except TimeoutError:
            raise ClientDisconnect from None


async def while_connected(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work`, and cancel it when the client leaves. The request's body has been read before."""

    async def watch(scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(watch, group.cancel_scope)
            await work()
            group.cancel_scope.cancel()
    except BaseExceptionGroup as failures:
        # The watcher does not fail: it is the one error of the work.
        raise failures.exceptions[0] from failures.exceptions[0].__cause__
