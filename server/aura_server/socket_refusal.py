"""How a socket is refused before it is accepted. Layer 5."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from aura_local.errors import AuraError
from aura_server.problems import error_body, place_of


async def refuse_socket(error: AuraError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the handshake with the error's HTTP status and body, as any other request would be."""
    websocket = WebSocket(scope, receive, send)
    await websocket.send_denial_response(JSONResponse(error_body(error), place_of(error).http_status))
