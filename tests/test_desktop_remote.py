"""`aura talk --server` with the real voice socket, in virtual time; the loudspeaker has a clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve

from aura_local.conversation.events import (
    CitationsFound,
    FinalTranscript,
    PlaybackFlushed,
    ReplyFinished,
    SessionEvent,
    TurnFailed,
)
from aura_local.desktop_playback import Loudspeaker, PlaybackQueue
from aura_local.desktop_remote import RemoteConversation
from aura_local.desktop_server import ServerAddress, TalkServer
from aura_local.errors import AuraError, ConfigurationError
from aura_local.ports import FRAME_SAMPLES, SPEECH_RATE_HZ, Samples
from tests.server.answering_conversation import CITATION, AnsweringConversation
from tests.server.voice_client import until
from tests.server.voice_server import voice_server
from tests.support.virtual_time import VIRTUAL_TIME

pytestmark = pytest.mark.anyio

RATE_HZ = 24_000
BLOCK_SAMPLES = RATE_HZ // 50


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


class Cable:
    """The way to a server, which can be cut and laid elsewhere."""

    def __init__(self, url: str) -> None:
        self.leads_to(url)
        self.connections: list[ClientConnection] = []

    def leads_to(self, url: str) -> None:
        self._server = TalkServer(ServerAddress.checked(url), ("127.0.0.1",))

    def cut(self) -> None:
        self.connections[-1].transport.abort()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ClientConnection]:
        async with self._server.connect() as connection:
            self.connections.append(connection)
            yield connection


@dataclass
class Desk:
    """Somebody at a microphone who says the numbers of the samples, and a loudspeaker that is listened to."""

    cable: Cable
    key: str = "key-one"
    rate_hz: int = RATE_HZ
    events: list[SessionEvent] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    begun: int = 0
    said: list[Samples] = field(default_factory=list)
    heard: list[Samples] = field(default_factory=list)
    leave: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self.loudspeaker = Loudspeaker(PlaybackQueue(self.rate_hz), clock=asyncio.get_running_loop().time)

    async def microphone(self) -> AsyncIterator[Samples]:
        position = 0
        while not self.leave.is_set():
            numbers = np.arange(position, position + FRAME_SAMPLES) % 30_000
            position += FRAME_SAMPLES
            self.said.append((numbers / 32_768).astype(np.float32))
            yield self.said[-1]
            await anyio.sleep(FRAME_SAMPLES / SPEECH_RATE_HZ)

    async def listen(self) -> None:
        while True:
            self.heard.append(self.loudspeaker.fill(BLOCK_SAMPLES))
            await anyio.sleep(0.02)

    async def notify(self, event: SessionEvent) -> None:
        self.events.append(event)

    def all(self, kind: type[SessionEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def begin(self) -> None:
        self.begun += 1

    def conversation(self) -> RemoteConversation:
        return RemoteConversation(
            self.cable,  # type: ignore[arg-type]
            self.key,
            sink=self.loudspeaker,
            notify=self.notify,
            tell=self.told.append,
            begun=self.begin,
        )

    @property
    def heard_numbers(self) -> list[int]:
        """Of the ramp that a reply is, but for its first sample, which is as silent as what is around it."""
        numbers = (np.concatenate(self.heard) * 32_768).astype(int)
        return [int(number) for number in numbers[numbers > 0]]

    async def converse(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.listen)
            await self.conversation().converse(self.microphone(), lambda recorded: recorded)
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def talking(desk: Desk) -> AsyncIterator[None]:
    """A conversation that ends well after the block."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.converse)
        yield
        desk.leave.set()


async def failure(desk: Desk) -> AuraError:
    """What ends a conversation."""
    with pytest.raises(BaseExceptionGroup) as caught, anyio.fail_after(120):
        await desk.converse()
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, AuraError)
    return error


def heard_by(conversation: AnsweringConversation) -> list[int]:
    return [int(number) for number in np.concatenate(conversation.heard) * 32_768]


def numbers_of(desk: Desk) -> list[int]:
    return [int(number) for number in np.concatenate(desk.said) * 32_768]


async def test_a_question_arrives_whole_and_its_answer_is_heard_whole() -> None:
    async with voice_server() as server:
        desk = Desk(Cable(server.url))
        async with talking(desk):
            await until(lambda: bool(desk.all(ReplyFinished)))
            await until(lambda: desk.loudspeaker.quiet_for_s() > 0.0)
        (conversation,) = server.engine.conversations
        await server.until_empty()
    assert desk.begun == 1
    assert desk.all(FinalTranscript)[0] == FinalTranscript(1, "spoken question")
    assert desk.all(CitationsFound)[0] == CitationsFound(1, (CITATION,))
    assert desk.heard_numbers[:2399] == list(range(1, 2400))
    heard = heard_by(conversation)
    assert heard == numbers_of(desk)[: len(heard)]
    assert len(heard) >= 16_000


async def test_what_was_heard_is_counted_at_the_loudspeaker() -> None:
    async with voice_server(answer_samples=2 * RATE_HZ) as server:
        desk = Desk(Cable(server.url))
        desk.loudspeaker.latency_s = 0.2
        async with talking(desk):
            await until(lambda: len(desk.heard) > 0 and len(desk.heard_numbers) > RATE_HZ // 2)
            handed = len(desk.heard_numbers)
            await server.engine.conversations[0].cancel()
            await until(lambda: bool(desk.all(PlaybackFlushed)))
            flushed = desk.all(PlaybackFlushed)[0].heard_samples
            await anyio.sleep(0.1)
            silent_after = len(desk.heard_numbers)
    # 0.2 s are still on their way through the device; reports and messages take up to 0.1 s.
    assert handed - 0.2 * RATE_HZ - 0.1 * RATE_HZ <= flushed <= handed - 0.2 * RATE_HZ + BLOCK_SAMPLES
    assert silent_after <= handed + 2 * BLOCK_SAMPLES


async def test_a_dropped_connection_loses_nothing_either_way() -> None:
    async with voice_server(answer_samples=RATE_HZ) as server:
        desk = Desk(Cable(server.url))
        async with talking(desk):
            await until(lambda: len(desk.said) == 20)
            desk.cable.cut()
            await until(lambda: bool(desk.heard_numbers))
            desk.cable.cut()
            await until(lambda: bool(desk.all(ReplyFinished)))
        (conversation,) = server.engine.conversations
    assert len(desk.cable.connections) == 3
    assert (
        desk.told
        == [
            "The connection to the server is lost; trying again.",
            "The connection is back.",
        ]
        * 2
    )
    assert desk.begun == 1
    assert desk.heard_numbers[: RATE_HZ - 1] == list(range(1, RATE_HZ))
    heard = heard_by(conversation)
    assert heard == numbers_of(desk)[: len(heard)]
    assert not desk.all(TurnFailed)
    assert len(desk.all(FinalTranscript)) == len(desk.all(ReplyFinished))


async def test_a_session_that_the_server_forgot_begins_anew() -> None:
    async with voice_server() as first, voice_server() as second:
        desk = Desk(Cable(first.url))
        async with talking(desk):
            await until(lambda: bool(desk.all(ReplyFinished)))
            desk.cable.leads_to(second.url)
            desk.cable.cut()
            await until(lambda: len(desk.all(ReplyFinished)) > 1)
            await until(lambda: len(desk.heard_numbers) >= 2 * 2399)
    assert desk.told[-1] == "The connection is back."
    assert desk.heard_numbers[: 2 * 2399] == [*range(1, 2400)] * 2


async def test_leaving_says_goodbye_so_that_nobody_waits() -> None:
    async with voice_server(limits={"resume_s": 30}) as server:
        desk = Desk(Cable(server.url))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.converse)
            await until(lambda: desk.begun == 1)
            tasks.cancel_scope.cancel()
        await server.until_empty()


async def test_a_server_that_stays_away_ends_the_conversation() -> None:
    async with voice_server(limits={"resume_s": 5}) as server:
        desk = Desk(Cable(server.url))

        async def take_away() -> None:
            await until(lambda: desk.begun == 1)
            desk.cable.leads_to("http://127.0.0.1:9")
            desk.cable.cut()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take_away)
            error = await failure(desk)
    assert error.message == "The connection to the server was lost; start `aura talk` again."
    assert desk.told == ["The connection to the server is lost; trying again."]


@pytest.mark.parametrize(
    ("key", "code"), [("aura_wrong", "authentication_failed"), ("mute", "permission_denied")]
)
async def test_a_refused_key_is_told_in_the_servers_words(key: str, code: str) -> None:
    async with voice_server() as server:
        desk = Desk(Cable(server.url), key=key)
        error = await failure(desk)
    assert error.code == code
    assert key not in error.message
    assert desk.begun == 0
    assert desk.told == []


async def test_a_server_that_is_not_there() -> None:
    error = await failure(Desk(Cable("http://127.0.0.1:9")))
    assert error.message == "No server answers at 127.0.0.1:9; is it running, and is this its address?"


async def test_a_loudspeaker_of_an_unheard_of_rate() -> None:
    desk = Desk(Cable("http://127.0.0.1:9"), rate_hz=96_000)
    with pytest.raises(ConfigurationError, match="96000 Hz"):
        desk.conversation()


READY = {"type": "ready", "sequence": 1, "resumed": False, "resume": "token", "resume_s": 30.0}


async def replaced(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.send(json.dumps(READY))
    await socket.close(4409)


async def speaks_otherwise(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.send("hello")
    await socket.wait_closed()


async def forgets_the_fields(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.send(json.dumps(READY))
    await socket.send(json.dumps({"type": "reply_started", "sequence": 2}))
    await socket.wait_closed()


async def sends_half_a_sample(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.send(bytes(17))
    await socket.wait_closed()


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        (replaced, "Another connection has taken"),
        (speaks_otherwise, "does not speak"),
        (forgets_the_fields, "does not speak"),
        (sends_half_a_sample, "does not speak"),
    ],
)
async def test_what_else_ends_a_conversation(
    server: Callable[[ServerConnection], Any], sentence: str
) -> None:
    async with serve(server, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        assert sentence in (await failure(Desk(Cable(f"ws://127.0.0.1:{port}")))).message
