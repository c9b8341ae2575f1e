"""From an accepted socket to a session: the `start` message, its key, and `ready`. Layer 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from starlette.websockets import WebSocket

from aura_local.accounts.permissions import authorize
from aura_local.accounts.principal import Principal
from aura_local.errors import AuthenticationFailed, ProtocolViolation
from aura_server.authentication import presented_credential
from aura_server.client_address import address_of
from aura_server.live_session import LiveSession
from aura_server.voice_incoming import receive_message
from aura_server.voice_link import Attachment
from aura_server.voice_messages import Ready, Start, parse_client_message
from aura_server.voice_session_registry import VoiceSessionRegistry

if TYPE_CHECKING:
    from aura_local.engine import Engine


async def open_session(
    engine: Engine, registry: VoiceSessionRegistry, websocket: WebSocket
) -> tuple[LiveSession, Attachment]:
    """Begin or resume the session that the client's first message asks for.

    Raises `AuthenticationFailed` for a wrong key and for none in time, `PermissionDenied` for one that may
    not talk, `ProtocolViolation` and `PayloadTooLarge` for a wrong first message, and what
    `VoiceSessionRegistry` raises.
    """
    limits = engine.settings.limits
    start, principal = await _enter(engine, websocket)
    if start.resume is not None:
        live, token = registry.resume(principal, start), start.resume
        attachment = live.resume(start.last_sequence, start.from_sample)
    elif start.from_sample is not None or start.last_sequence is not None:
        raise ProtocolViolation("`from_sample` and `last_sequence` go with `resume`.")
    else:
        await engine.admit_session(principal, registry.sessions_of(principal.tenant))
        live, token = await registry.create(principal, start, address=address_of(websocket.scope))
        attachment = live.attach()
    attachment.greeting = Ready(
        type="ready",
        sequence=attachment.next_sequence - 1,
        session_id=live.id,
        resumed=attachment.resumed,
        resume=token,
        resume_s=limits.resume_s,
        sample_rate_hz=live.input.sample_rate_hz,
        output_sample_rate_hz=live.sink.sample_rate_hz,
        output_format="pcm16",
        language=live.language,
        accepted_samples=live.input.accepted_samples,
    ).model_dump()
    return live, attachment


async def _enter(engine: Engine, websocket: WebSocket) -> tuple[Start, Principal]:
    """The `start` message and the principal its key leads to, who may talk."""
    deadline_s = engine.settings.limits.start_deadline_s
    with anyio.move_on_after(deadline_s):
        start = await _receive_start(engine, websocket)
        key = presented_credential(websocket.headers) or start.key
        if not key:
            raise AuthenticationFailed("`start` needs a `key`, or the handshake an Authorization header.")
        principal = await engine.authenticate(key, origin=websocket.headers.get("origin"))
        authorize(principal, "talk")
        return start, principal
    raise AuthenticationFailed(f"No `start` message came within {deadline_s:g} s.", code="start_too_late")


async def _receive_start(engine: Engine, websocket: WebSocket) -> Start:
    limits = engine.settings.limits
    message = await receive_message(websocket, limits.socket_frame_bytes)
    if isinstance(message, bytes):
        raise ProtocolViolation("Audio cannot come before `start`.", code="audio_before_start")
    start = parse_client_message(message, question_characters=limits.question_characters)
    if not isinstance(start, Start):
        raise ProtocolViolation("The first message must be `start`.", code="start_missing")
    return start
