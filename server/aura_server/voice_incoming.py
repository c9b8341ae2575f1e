"""One message of a client, or what its absence means. Layer 5."""

from __future__ import annotations

from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from aura_local.errors import PayloadTooLarge

GOODBYES: Final = (1000, 1005)
"""Close codes by which a client ends its session; with any other, or none, it may resume."""


class Farewell(WebSocketDisconnect):
    """The client has closed the connection on purpose and will not come back."""


async def receive_message(websocket: WebSocket, limit_bytes: int) -> str | bytes:
    """The next message. Raises `PayloadTooLarge`, `Farewell`, and `WebSocketDisconnect` for a lost client."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        # uvicorn gives a reason, maybe empty, only where a close frame came: 1005 alone may be a cut.
        said_goodbye = message["code"] in GOODBYES and message.get("reason") is not None
        raise (Farewell if said_goodbye else WebSocketDisconnect)(message["code"])
    data: str | bytes = message["bytes"] if message.get("bytes") is not None else message["text"]
    size = len(data) if isinstance(data, bytes) else len(data.encode())
    if size > limit_bytes:
        raise PayloadTooLarge(f"A message has at most {limit_bytes} bytes.")
    return data
