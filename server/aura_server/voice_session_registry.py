"""All voice sessions of the server: how many there may be, who may come back to which, and whose must end.

Layer 5.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol

import anyio
from anyio.abc import TaskGroup, TaskStatus

from aura_local.accounts.principal import Principal
from aura_local.conversation.spoken_reply import Notify
from aura_local.errors import (
    AuthenticationFailed,
    EngineUnavailable,
    NotFound,
    ProtocolViolation,
    TooManySessions,
)
from aura_local.metrics import Metrics
from aura_local.ports import AudioSink
from aura_local.settings import LimitSettings
from aura_server.live_session import Conversation, LiveSession
from aura_server.problems import as_aura_error
from aura_server.voice_messages import Start

if TYPE_CHECKING:
    from aura_local.storage.leases import TenantHandle

log = logging.getLogger(__name__)

TOKEN_BYTES: Final = 32
CHECK_EVERY_S: Final = 0.5
"""How often the holders of open sessions are looked up: a withdrawn right ends a session within a second."""

StillGood = Callable[[Principal], Awaitable[bool]]
"""`Authenticator.still_good`."""


class OpenConversation(Protocol):
    """`Engine.voice_session`."""

    async def __call__(
        self,
        handle: TenantHandle,
        /,
        *,
        asker: Principal,
        sink: AudioSink,
        notify: Notify,
        language: str,
        voice: str | None,
    ) -> Conversation: ...


@dataclass(frozen=True, slots=True)
class _Entry:
    principal: Principal
    address: str | None
    live: LiveSession


class VoiceSessionRegistry:
    """Owns the task group in which sessions run, so that a reply survives its connection.

    An async context manager; leaving it ends every session. Only the SHA-256 of a resume token is kept.
    While it is entered, sessions of principals that `still_good` no longer knows are ended.
    """

    def __init__(
        self,
        *,
        lease: Callable[[str], AbstractAsyncContextManager[TenantHandle]],
        open_conversation: OpenConversation,
        still_good: StillGood,
        limits: LimitSettings,
        language: str,
        metrics: Metrics,
        check_every_s: float = CHECK_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`language` is what a client speaks that does not say."""
        self._lease = lease
        self._open_conversation = open_conversation
        self._still_good = still_good
        self._check_every_s = check_every_s
        self._clock = clock
        self._limits = limits
        self._language = language
        self._metrics = metrics
        self._entries: dict[bytes, _Entry] = {}
        self._tasks: TaskGroup | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> VoiceSessionRegistry:
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._tasks.start_soon(self._end_withdrawn)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._tasks is not None
        self._tasks.cancel_scope.cancel()
        self._tasks = None
        await self._stack.__aexit__(kind, error, traceback)

    @property
    def sessions(self) -> int:
        """Sessions alive, those without a connection included."""
        return len(self._entries)

    def sessions_of(self, tenant_id: str) -> int:
        """Sessions of one tenant."""
        return sum(entry.principal.tenant_id == tenant_id for entry in self._entries.values())

    async def create(
        self, principal: Principal, start: Start, *, address: str | None = None
    ) -> tuple[LiveSession, str]:
        """Begin a session; returns it with its resume token.

        `address` is where the client is, as `address_of` names it; None counts towards no address. Raises
        `PermissionDenied` for a principal without a tenant, `TooManySessions`, and what leasing the tenant
        or opening the conversation raises.
        """
        if self._tasks is None:
            raise EngineUnavailable("The server is shutting down.", retryable=True)
        self._admit(principal, address)
        live = LiveSession(
            sample_rate_hz=start.sample_rate_hz,
            output_sample_rate_hz=start.output_sample_rate_hz,
            language=start.language or self._language,
            limits=self._limits,
            clock=self._clock,
        )
        token = secrets.token_urlsafe(TOKEN_BYTES)
        entry = _Entry(principal, address, live)
        self._entries[_digest(token)] = entry
        try:
            await self._tasks.start(self._hold, _digest(token), entry, start.voice)
        except BaseException:
            # A task that is cancelled before its first step never reaches its own clean-up.
            self._entries.pop(_digest(token), None)
            raise
        return live, token

    def resume(self, principal: Principal, start: Start) -> LiveSession:
        """The session that `start.resume` leads to; another tenant's or person's does not exist.

        Raises `NotFound`, and `ProtocolViolation` when the client now asks for something else than it did.
        """
        entry = self._entries.get(_digest(start.resume or ""))
        if entry is None or _owner(entry.principal) != _owner(principal):
            raise NotFound(
                "There is no such session to resume; it may have ended. Start a new one.",
                code="not_resumable",
            )
        live = entry.live
        same = {
            "sample_rate_hz": live.input.sample_rate_hz,
            "output_sample_rate_hz": live.sink.sample_rate_hz,
            "language": live.language,
        }
        for name, value in same.items():
            if name in start.model_fields_set and getattr(start, name) not in (value, None):
                raise ProtocolViolation(f"A resumed session keeps its `{name}`, {value}.")
        return live

    async def _end_withdrawn(self) -> None:
        """End the sessions of principals who may no longer talk; their connections are told why."""
        while True:
            await anyio.sleep(self._check_every_s)
            known: dict[Principal, bool] = {}
            for entry in list(self._entries.values()):
                if entry.principal not in known:
                    known[entry.principal] = await self._is_still_good(entry.principal)
                if not known[entry.principal] and not entry.live.over:
                    entry.live.fail(
                        AuthenticationFailed("Access has been withdrawn.", code="access_withdrawn")
                    )

    async def _is_still_good(self, principal: Principal) -> bool:
        try:
            return await self._still_good(principal)
        except Exception as problem:  # one tenant's damaged file is not the others' security
            log.error("the holder of a voice session could not be looked up", exc_info=problem)
            return True

    def _admit(self, principal: Principal, address: str | None) -> None:
        """Raises `TooManySessions` that says whose are all in use."""
        limits, entries = self._limits, list(self._entries.values())
        if len(entries) >= limits.sessions:
            raise TooManySessions("The server has no free voice session; try again later.")
        tenant = principal.tenant
        if self.sessions_of(tenant) >= limits.sessions_per_tenant:
            raise TooManySessions("All voice sessions of this tenant are in use; close one or try later.")
        # Behind one API key or widget are many people: they are counted by where they are.
        own = sum(_owner(entry.principal) == _owner(principal) for entry in entries)
        if principal.kind == "user" and own >= limits.sessions_per_user:
            raise TooManySessions("All your voice sessions are in use; close one or try later.")
        there = sum(entry.address == address for entry in entries)
        if address is not None and there >= limits.sessions_per_address:
            raise TooManySessions("All voice sessions of your address are in use; close one or try later.")

    async def _hold(
        self, digest: bytes, entry: _Entry, voice: str | None, *, task_status: TaskStatus[None]
    ) -> None:
        """The life of one session, with its tenant leased for as long as it is needed."""
        live, started = entry.live, False
        self._metrics.session_opened()
        try:
            try:
                async with self._lease(entry.principal.tenant) as handle:
                    conversation = await self._open_conversation(
                        handle,
                        asker=entry.principal,
                        sink=live.sink,
                        notify=live.notify,
                        language=live.language,
                        voice=voice,
                    )
                    live.id = conversation.session_id
                    task_status.started()
                    started = True
                    await live.run(conversation)
            except Exception as error:  # a worker loop: one session's failure is not the others'
                if not started:
                    raise
                log.error("a voice session failed", exc_info=error)
                live.fail(as_aura_error(_first(error)))
            await live.until_delivered()
        finally:
            self._entries.pop(digest, None)
            self._metrics.session_closed()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _owner(principal: Principal) -> tuple[str | None, str]:
    return principal.tenant_id, principal.subject


def _first(error: BaseException) -> BaseException:
    """The error that a task group wrapped."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
