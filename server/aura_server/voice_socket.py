"""`/ws/voice/continuous`: one connection of a voice session. Layer 5; the protocol is in server/README.md.

A mistake in one message is an `error` event and the session goes on. What the session cannot go on after
(flooding, a frame over the limit) ends it: an `error` event, then a close code from `problems.py`. A
connection that drops, idles or stops reading leaves its session waiting to be resumed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from aura_local.errors import (
    AuraError,
    DeadlineExceeded,
    PayloadTooLarge,
    ProtocolViolation,
)
from aura_local.settings import LimitSettings
from aura_server.audio_input import TOO_FAST
from aura_server.live_session import NORMAL_CLOSE, LiveSession
from aura_server.pace import Pace
from aura_server.problems import as_aura_error, place_of
from aura_server.voice_encoding import Message, encode_error, to_json
from aura_server.voice_handshake import open_session
from aura_server.voice_incoming import Farewell, receive_message
from aura_server.voice_link import Attachment, Close
from aura_server.voice_messages import Cancel, Played, Start, Stop, Text, parse_client_message
from aura_server.voice_session_registry import VoiceSessionRegistry

if TYPE_CHECKING:
    from aura_local.engine import Engine

log = logging.getLogger(__name__)

PATH: Final = "/ws/voice/continuous"
BURST_S: Final = 5.0
"""Messages that a network held back may come all at once, in seconds' worth."""
ACCEPTED_EVERY_S: Final = 1.0
CLOSING_S: Final = 1.0
"""Time for a close frame to leave; a client that does not read never gets it."""


def open_registry(engine: Engine, clock: Callable[[], float] = time.monotonic) -> VoiceSessionRegistry:
    """The registry for `voice_routes`; the application's lifespan enters and leaves it."""
    settings = engine.settings
    return VoiceSessionRegistry(
        lease=engine.leases.lease,
        open_conversation=engine.voice_session,
        still_good=engine.still_good,
        limits=settings.limits,
        language=settings.voice.language,
        metrics=engine.metrics,
        clock=clock,
    )


def voice_routes(engine: Engine, registry: VoiceSessionRegistry) -> list[BaseRoute]:
    """The route of the voice socket. Sessions live in `registry`, which must have been entered."""

    async def voice_socket(websocket: WebSocket) -> None:
        # A client that is gone has left its session waiting to be resumed.
        with suppress(WebSocketDisconnect):
            await websocket.accept()
            await _VoiceConnection(engine, registry, websocket).serve()

    return [WebSocketRoute(PATH, voice_socket)]


class _SessionOver(Exception):
    """The session cannot go on after `error`."""

    def __init__(self, error: AuraError) -> None:
        super().__init__(error.message)
        self.error = error


class _VoiceConnection:
    def __init__(self, engine: Engine, registry: VoiceSessionRegistry, websocket: WebSocket) -> None:
        self._engine = engine
        self._registry = registry
        self._websocket = websocket
        self._limits: LimitSettings = engine.settings.limits
        most_s = BURST_S + self._limits.resume_s
        self._messages = Pace(per_second=self._limits.messages_per_s, initial_s=BURST_S, most_s=most_s)

    async def serve(self) -> None:
        try:
            live, attachment = await open_session(self._engine, self._registry, self._websocket)
        except AuraError as error:
            await self._refuse(error)
            return
        except WebSocketDisconnect:
            raise
        except Exception as error:  # the edge of the server: told, logged, survived
            log.error("a voice session could not be opened", exc_info=error)
            await self._refuse(as_aura_error(error))
            return
        if attachment.resumed:
            self._messages.refill()
        close = Close(NORMAL_CLOSE)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, live, attachment)
                tasks.start_soon(self._report_accepted, live)
                try:
                    close = await live.link.serve(attachment, self._websocket)
                except DeadlineExceeded as error:
                    log.info("a voice client does not read", extra={"fields": {"session": live.id}})
                    close = Close(place_of(error).close_code, error.code)
                except WebSocketDisconnect:
                    pass  # seen while sending; its session waits to be resumed
                tasks.cancel_scope.cancel()
        finally:
            live.link.detach(attachment)
        await self._close(close)

    async def _refuse(self, error: AuraError) -> None:
        """No session came about: say why, and close."""
        with anyio.move_on_after(CLOSING_S):
            await self._websocket.send_text(to_json({**encode_error(error), "sequence": 1}))
        await self._close(Close(place_of(error).close_code, error.code))

    # --- the running connection --------------------------------------------------------------------

    async def _read(self, live: LiveSession, attachment: Attachment) -> None:
        """Hand over what the client sends, until it leaves or the session is over."""
        try:
            while True:
                message = await self._receive_in_time()
                if message is None:
                    error = DeadlineExceeded(f"No message came for {self._limits.idle_s:g} s.", code="idle")
                    live.link.publish(encode_error(error))
                    live.link.end(attachment, Close(place_of(error).close_code, error.code))
                    return
                try:
                    await self._take(live, message)
                except AuraError as error:
                    live.link.publish(encode_error(error))
        except _SessionOver as over:
            live.fail(over.error)
        except Farewell:
            live.leave(attachment)
        except WebSocketDisconnect:
            live.link.detach(attachment)

    async def _receive_in_time(self) -> str | bytes | None:
        """The next message; None when the connection idles."""
        with anyio.move_on_after(self._limits.idle_s):
            try:
                return await receive_message(self._websocket, self._limits.socket_frame_bytes)
            except PayloadTooLarge as error:
                raise _SessionOver(error) from error
        return None

    async def _take(self, live: LiveSession, message: str | bytes) -> None:
        if not self._messages.spend(1):
            most = self._limits.messages_per_s
            raise _SessionOver(
                ProtocolViolation(f"More than {most} messages come per second.", code="flooding")
            )
        if isinstance(message, bytes):
            await self._hear(live, message)
            return
        match parse_client_message(message, question_characters=self._limits.question_characters):
            case Start():
                raise ProtocolViolation("The session has started already.", code="already_started")
            case Text(text=text):
                await live.ask(text)
            case Played(reply_id=reply_id, samples=samples):
                live.sink.acknowledge(reply_id, samples)
            case Cancel():
                await live.cancel()
            case Stop():
                live.stop()
                live.link.publish(_accepted(live))

    async def _hear(self, live: LiveSession, data: bytes) -> None:
        try:
            await live.hear(data)
        except ProtocolViolation as error:
            if error.code == TOO_FAST:
                raise _SessionOver(error) from error
            raise

    async def _report_accepted(self, live: LiveSession) -> None:
        while True:
            await anyio.sleep(ACCEPTED_EVERY_S)
            live.link.publish(_accepted(live))

    async def _close(self, close: Close) -> None:
        states = (self._websocket.client_state, self._websocket.application_state)
        if WebSocketState.DISCONNECTED in states:  # by the client, or seen while sending
            return
        with anyio.move_on_after(CLOSING_S), suppress(WebSocketDisconnect):
            await self._websocket.close(close.code, close.reason)


def _accepted(live: LiveSession) -> Message:
    return {"type": "accepted", "samples": live.input.accepted_samples}
