"""The voice socket on uvicorn's protocols on loopback, with a small engine of its own behind it, so that
what is tested is the socket and nothing else."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn
from aura_server.cross_origin import CrossOriginMiddleware
from aura_server.http_protocol import server_config
from aura_server.voice_session_registry import VoiceSessionRegistry
from aura_server.voice_socket import PATH, open_registry, voice_routes
from starlette.applications import Starlette
from starlette.middleware import Middleware
from uvicorn.server import ServerState

from aura_local.accounts.permissions import ROLES, Role
from aura_local.accounts.principal import Principal, PrincipalKind
from aura_local.errors import AuthenticationFailed, StorageUnavailable
from aura_local.metrics import Metrics
from aura_local.ports import AudioSink
from aura_local.settings import LimitSettings, Settings
from tests.server.answering_conversation import AnsweringConversation
from tests.server.voice_client import VoiceClient, until, voice_client


def principal(tenant_id: str, name: str, kind: PrincipalKind = "key") -> Principal:
    """Somebody of a tenant who may talk."""
    role: Role = "service" if kind == "key" else "member" if kind == "user" else "visitor"
    return Principal(kind, name, tenant_id, role, ROLES[role], label=name)


KEYS = {
    "key-one": principal("tenant-one", "key-one"),
    "key-two": principal("tenant-two", "key-two"),
    "ada": principal("tenant-one", "ada", "user"),
    "bob": principal("tenant-one", "bob", "user"),
    "visitor": principal("tenant-one", "visitor", "visitor"),
    "mute": replace(principal("tenant-one", "mute"), permissions=frozenset({"documents.read"})),
}


@dataclass(frozen=True)
class Handle:
    id: str


class Leases:
    """Counts who holds what."""

    def __init__(self) -> None:
        self.held: list[str] = []

    @asynccontextmanager
    async def lease(self, tenant_id: str) -> AsyncIterator[Any]:
        self.held.append(tenant_id)
        try:
            yield Handle(tenant_id)
        finally:
            self.held.remove(tenant_id)


@dataclass
class SmallEngine:
    """What the voice socket needs of an engine."""

    settings: Settings
    answer_samples: int = 2400
    failure: Exception | None = None
    opening_failure: Exception | None = None
    leases: Leases = field(default_factory=Leases)
    metrics: Metrics = field(default_factory=Metrics)
    conversations: list[AnsweringConversation] = field(default_factory=list)

    withdrawn: set[Principal] = field(default_factory=set)
    unknown: set[Principal] = field(default_factory=set)
    """Those whose rights cannot be looked up."""

    async def authenticate(self, presented: str, *, origin: str | None = None) -> Principal:
        if presented not in KEYS:
            raise AuthenticationFailed("The API key is not valid.")
        return KEYS[presented]

    async def admit_session(self, principal: Principal, open_sessions: int) -> None:
        """No tier is in force."""

    async def still_good(self, principal: Principal) -> bool:
        if principal in self.unknown:
            raise StorageUnavailable("The file of this tenant cannot be read.")
        return principal not in self.withdrawn

    async def voice_session(
        self,
        handle: Any,
        *,
        asker: Principal,
        sink: AudioSink,
        notify: Any,
        language: str,
        voice: str | None,
    ) -> AnsweringConversation:
        if self.opening_failure is not None:
            raise self.opening_failure
        conversation = AnsweringConversation(sink, notify, self.answer_samples, self.failure)
        self.conversations.append(conversation)
        return conversation


@dataclass
class VoiceServer:
    address: str
    engine: SmallEngine
    registry: VoiceSessionRegistry

    @property
    def url(self) -> str:
        return f"ws://{self.address}{PATH}"

    @asynccontextmanager
    async def client(
        self, *, start: dict[str, Any] | None = None, **options: Any
    ) -> AsyncIterator[VoiceClient]:
        """A client that has sent `start` with a key of ours, or nothing when `start` is empty."""
        first = {"type": "start", "key": "key-one", **start} if start else start
        if start is None:
            first = {"type": "start", "key": "key-one"}
        async with voice_client(self.url, first, **options) as client:
            yield client

    async def until_empty(self) -> None:
        """Wait until no session is left."""
        await until(lambda: not self.registry.sessions and not self.engine.leases.held)


@asynccontextmanager
async def voice_server(
    *,
    limits: dict[str, Any] | None = None,
    frame_bytes_below: int = 1 << 20,
    allowed_origins: tuple[str, ...] = (),
    tls: ssl.SSLContext | None = None,
    **engine_options: Any,
) -> AsyncIterator[VoiceServer]:
    """Serve on a free port. `frame_bytes_below` is the frame limit of the server below the socket."""
    settings = Settings(limits=LimitSettings(**(limits or {})))
    engine = SmallEngine(settings, **engine_options)
    # The loop's, so that the whole server is in virtual time where its test is.
    clock = asyncio.get_running_loop().time
    registry = open_registry(engine, clock)  # type: ignore[arg-type]
    app = Starlette(
        routes=voice_routes(engine, registry),  # type: ignore[arg-type]
        middleware=[Middleware(CrossOriginMiddleware, allowed_origins=allowed_origins)],
    )
    config = server_config(app, settings.limits, tls)
    config.ws_max_size, config.ws_ping_interval = frame_bytes_below, None
    async with registry, serve_protocols(config) as address:
        yield VoiceServer(address, engine, registry)


@asynccontextmanager
async def serve_protocols(config: uvicorn.Config) -> AsyncIterator[str]:
    """uvicorn's protocols on a loopback socket, without its main loop, which looks up only every 100 ms."""
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        options = {"config": config, "server_state": state, "app_state": {}}
        return config.http_protocol_class(**options)

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=config.ssl)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield f"{host}:{port}"
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        await until(lambda: not state.connections and not state.tasks)
        await server.wait_closed()
