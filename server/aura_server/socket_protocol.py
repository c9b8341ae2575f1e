"""The WebSocket protocol below the application: frames that never become a message are bounded too. Layer 5.

uvicorn answers every ping at once, whether or not the client reads the answers, and keeps every fragment of
a message that never ends. Neither reaches the application, so neither is seen by its message rate: a client
could make the server's memory grow for as long as it liked.
"""

from __future__ import annotations

from typing import Any, Final

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame

from aura_server.pace import Pace

FRAMES_BURST_S: Final = 5.0
"""Pings and fragments that may come at once, in seconds' worth."""

UNREAD_PONGS_BYTES: Final = 256 * 1024
"""Waiting to be sent while a client sends pings; beyond it, it clearly does not read."""


class SteadySocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with a bound on pings and fragments; beyond it the connection is cut.

    What the application still sends when the protocol has closed a broken connection is lost, as on any that
    is gone; uvicorn calls it a mistake of the application (`RuntimeError`, found by hostile frames).

    Inherits for the same reason as `DeadlineProtocol`: uvicorn offers no other seam.
    """

    def __init__(self, *arguments: Any, frames_per_s: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._frame_pace = Pace(per_second=frames_per_s, initial_s=FRAMES_BURST_S, most_s=FRAMES_BURST_S)
        self._broken = False

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._broken = True

    def send_receive_event_to_app(self) -> None:
        try:
            super().send_receive_event_to_app()
        except InvalidState:
            # Text that is not UTF-8, while a close is under way already: uvicorn wants to send a second one.
            self.handle_parser_exception()

    async def send(self, message: ASGISendEvent) -> None:
        if self._broken:
            raise ClientDisconnected
        await super().send(message)

    def handle_ping(self) -> None:
        super().handle_ping()
        self._spend_frame()

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        self._spend_frame()

    def _spend_frame(self) -> None:
        unread = self.transport.get_write_buffer_size() > UNREAD_PONGS_BYTES
        if unread or not self._frame_pace.spend(1):
            self.transport.abort()
