"""Desktop microphone mode against a server: one conversation over as many connections as it takes. Layer 5.

After a dropped connection the session is resumed: what the server has not accepted is sent again, what was
missed is asked for. The rules are those of the page's client and of server/README.md. No engine is loaded
and no data folder opened.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio

from aura_local.audio.frame import to_pcm16
from aura_local.desktop_ears import Ear
from aura_local.desktop_replies import PlayedSink, Replies
from aura_local.desktop_server import UNREACHABLE, TalkServer
from aura_local.desktop_wire import SentAudio, event_of, not_ours, parse_audio, parse_message
from aura_local.errors import AuraError, ConfigurationError, Conflict, EngineUnavailable
from aura_local.ports import SPEECH_RATE_HZ, Samples

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from aura_local.conversation.spoken_reply import Notify

REPORT_S: Final = 0.05
"""How often the server is told how far a reply was heard."""
OPENING_SAMPLES: Final = 3 * SPEECH_RATE_HZ
"""Speech kept while there is no session; the server takes 5 s at once."""
SPARE_S: Final = 2.0
"""Speech kept beyond the time that the server waits for us."""
PIECE_SAMPLES: Final = SPEECH_RATE_HZ // 2
"""At most in one message: 16 KB of the 64 KB that are allowed."""
RETRY_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0)
RATES_HZ: Final = (8_000, 48_000)
"""Lowest and highest rate at which a server speaks."""

NORMAL: Final = 1000
REPLACED: Final = 4409
RESUMABLE: Final = frozenset({1001, 1006, 1012, 4504})
"""Closes after which the session waits for us: going away, dropped, restarting, we were slow."""


@dataclass(slots=True)
class _Session:
    """What the server's `ready` gave."""

    token: str
    resume_s: float
    last_sequence: int


class RemoteConversation:
    """A conversation through `sink` with the tenant that `key` belongs to; call `converse` once.

    `notify` is told the same events as by a session in this process, `tell` what becomes of the connection;
    `begun` is called once, when the server is ready.
    """

    def __init__(
        self,
        server: TalkServer,
        key: str,
        *,
        sink: PlayedSink,
        notify: Notify,
        tell: Callable[[str], None],
        begun: Callable[[], None],
        language: str | None = None,
        voice: str | None = None,
    ) -> None:
        """Raises `ConfigurationError` for a loudspeaker whose rate no server speaks at."""
        if not RATES_HZ[0] <= sink.sample_rate_hz <= RATES_HZ[1]:
            raise ConfigurationError(
                f"The loudspeaker plays at {sink.sample_rate_hz} Hz, a server speaks at 8000 to 48000; "
                "set its rate in the system's sound settings, or choose another with --loudspeaker."
            )
        self._server, self._key = server, key
        self._output_rate_hz = sink.sample_rate_hz
        self._replies = Replies(sink)
        self._notify, self._tell, self._begun = notify, tell, begun
        self._wishes = {"language": language, "voice": voice}
        self._sent = SentAudio(OPENING_SAMPLES)
        self._news = anyio.Event()
        self._microphone_over = False
        self._session: _Session | None = None
        self._problem: AuraError | None = None

    async def converse(self, microphone: AsyncIterable[Samples], ear: Ear) -> None:
        """Until the microphone ends and the last reply is over, the server ends it, or cancelled.

        Raises (in a group) `EngineUnavailable` for a server that is away or was away for too long, `Conflict`
        when another connection has taken the session over, `ProtocolViolation`, and what the server says.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, microphone, ear)
            await self._keep_connected()
            tasks.cancel_scope.cancel()

    async def _listen(self, microphone: AsyncIterable[Samples], ear: Ear) -> None:
        async for samples in microphone:
            self._sent.add(to_pcm16(ear(samples)))
            self._wake()
        self._microphone_over = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def _keep_connected(self) -> None:
        lost_at_s: float | None = None
        attempts = 0
        while True:
            was_ready = False
            try:
                async with self._server.connect() as connection:
                    was_ready, code = await self._attend(connection, again=lost_at_s is not None)
            except EngineUnavailable as error:
                if self._session is None or error.code != UNREACHABLE:
                    raise
                code = 1006
            if was_ready:
                lost_at_s, attempts = None, 0
            if code == NORMAL:
                return
            if self._session is not None and self._problem is not None and self._forgotten(self._problem):
                continue  # what is said from here on begins a new session
            if self._session is None or code not in RESUMABLE:
                raise self._reason(code)
            if lost_at_s is None:
                lost_at_s = anyio.current_time()
                self._tell("The connection to the server is lost; trying again.")
            if anyio.current_time() - lost_at_s > self._session.resume_s:
                raise self._reason(code)
            await anyio.sleep(RETRY_S[min(attempts, len(RETRY_S) - 1)])
            attempts += 1

    def _forgotten(self, problem: AuraError) -> bool:
        """Whether the server no longer knows the session; then it is given up here as well."""
        if problem.code != "not_resumable":
            return False
        self._session = self._problem = None
        self._sent.most_samples = OPENING_SAMPLES
        return True

    async def _attend(self, connection: ClientConnection, *, again: bool) -> tuple[bool, int]:
        """Begin or resume, and take part until the close: whether the server was ready, and the code."""
        from websockets.exceptions import ConnectionClosed

        first_sample = self._sent.first
        ready = False
        async with anyio.create_task_group() as tasks:
            try:
                await connection.send(json.dumps(self._start(first_sample)))
                async for data in connection:
                    if isinstance(data, bytes):
                        await self._play(data)
                        continue
                    message = parse_message(data)
                    if message["type"] == "ready":
                        resumed = await self._begin(message)
                        ready = True
                        tasks.start_soon(self._send_audio, connection, first_sample if resumed else 0)
                        tasks.start_soon(self._report, connection)
                        self._greet(again=again)
                    await self._take(message)
            except ConnectionClosed:
                pass
            tasks.cancel_scope.cancel()
        return ready, connection.close_code or 1006

    def _greet(self, *, again: bool) -> None:
        if again:
            self._tell("The connection is back.")
        else:
            self._begun()

    def _start(self, first_sample: int) -> dict[str, Any]:
        start: dict[str, Any] = {
            "type": "start",
            "key": self._key,
            "sample_rate_hz": SPEECH_RATE_HZ,
            "output_sample_rate_hz": self._output_rate_hz,
        }
        if self._session is None:
            return start | {name: wish for name, wish in self._wishes.items() if wish is not None}
        resume = {"resume": self._session.token, "last_sequence": self._session.last_sequence}
        return start | resume | {"from_sample": first_sample}

    async def _begin(self, ready: dict[str, Any]) -> bool:
        """Take up the session that the server grants; whether it is the one of before."""
        try:
            session = _Session(ready["resume"], float(ready["resume_s"]), ready["sequence"])
            resumed = bool(ready["resumed"])
        except (KeyError, TypeError, ValueError) as error:
            raise not_ours() from error
        if not resumed:
            self._sent.restart()
            await self._replies.begin_again()
        self._session, self._problem = session, None
        self._sent.most_samples = int((session.resume_s + SPARE_S) * SPEECH_RATE_HZ)
        return resumed

    async def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        try:
            if kind == "error" and message.get("turn") is None:
                self._problem = AuraError(
                    message["message"], code=message["code"], retryable=message["retryable"]
                )
            if kind == "ready":
                return
            if self._session is not None:
                self._session.last_sequence = message["sequence"]
            if kind == "accepted":
                self._sent.accepted(message["samples"])
            if kind == "flush":
                await self._replies.flush(message["reply_id"])
        except (KeyError, TypeError) as error:
            raise not_ours() from error
        event = event_of(message)
        if event is not None:
            await self._notify(event)

    async def _play(self, data: bytes) -> None:
        audio = parse_audio(data)
        if audio is not None:
            try:
                await self._replies.play(audio)
            except EngineUnavailable as error:  # unplugged: the server sees that nothing is heard
                self._tell(error.message)

    async def _send_audio(self, connection: ClientConnection, position: int) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                news = self._news
                pcm16 = self._sent.after(position, PIECE_SAMPLES)
                if pcm16:
                    position = max(position, self._sent.first) + len(pcm16) // 2
                    await connection.send(pcm16)
                elif self._microphone_over:
                    await connection.send(json.dumps({"type": "stop"}))
                    return
                else:
                    await news.wait()
        except ConnectionClosed:
            pass  # whoever reads is told too

    async def _report(self, connection: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        told: tuple[int, int] | None = None
        try:
            while True:
                await anyio.sleep(REPORT_S)
                heard = self._replies.heard()
                if heard is not None and heard != told:
                    told = heard
                    reply_id, samples = heard
                    await connection.send(
                        json.dumps({"type": "played", "reply_id": reply_id, "samples": samples})
                    )
        except ConnectionClosed:
            pass  # whoever reads is told too

    def _reason(self, code: int) -> AuraError:
        if code == REPLACED:
            return Conflict("Another connection has taken this conversation over.")
        if self._problem is not None:
            return self._problem
        return EngineUnavailable(
            "The connection to the server was lost; start `aura talk` again.",
            code=UNREACHABLE,
            retryable=True,
        )
