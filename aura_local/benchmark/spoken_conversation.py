"""Holds a conversation with a session by voice, without a person: speak, wait for the reply, speak again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio

from aura_local.accounts.principal import operator
from aura_local.audio.resample import resample
from aura_local.benchmark.labelled_speech import Utterance, UtteranceMaker
from aura_local.benchmark.recording_sink import RecordingSink
from aura_local.benchmark.sample_clock import STEP_SAMPLES, SampleClock, VirtualMicrophone
from aura_local.conversation.events import (
    Citation,
    CitationsFound,
    FinalTranscript,
    ReplyAudioStarted,
    ReplyFinished,
    ReplyStarted,
    SessionEvent,
    TurnFailed,
    TurnMetrics,
)
from aura_local.conversation.turn_state import Phase
from aura_local.conversation.voice_session import VoiceSession
from aura_local.engine import Engine
from aura_local.ports import SPEECH_RATE_HZ, Samples
from aura_local.storage.leases import TenantHandle

REPLY_WITHIN_S: Final = 6.0
"""Silence after which a question counts as not answered."""
BETWEEN_TURNS_S: Final = 0.4


@dataclass(slots=True)
class SpokenTurn:
    """What happened in one turn."""

    said: str
    pause_s: float = 0.0
    heard: str = ""
    answer: str = ""
    heard_answer: str = ""
    citations: tuple[Citation, ...] = ()
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    work: Mapping[str, int] = field(default_factory=dict)
    replies: int = 0
    cut_in: bool = False
    """A reply became audible before the end of the utterance."""
    failure: str = ""

    @property
    def first_audio_ms(self) -> float | None:
        """From the session's last speech sample to the first audio; None without a reply."""
        return self.stages_ms.get("first_audio")


class SpokenConversation:
    """One session, its virtual microphone and its recorded loudspeaker; run inside `open`."""

    def __init__(
        self,
        maker: UtteranceMaker,
        session: VoiceSession,
        microphone: VirtualMicrophone,
        sink: RecordingSink,
    ) -> None:
        self._maker = maker
        self._session = session
        self._microphone = microphone
        self._sink = sink
        self._turn = SpokenTurn("")
        self._speaking = False
        self._unfinished_replies = 0

    async def notice(self, event: SessionEvent) -> None:
        """The session's `notify`."""
        turn = self._turn
        match event:
            case FinalTranscript(text=text):
                turn.heard = text
            case ReplyStarted():
                turn.replies += 1
                self._unfinished_replies += 1
            case ReplyAudioStarted():
                turn.cut_in = turn.cut_in or self._speaking
            case CitationsFound(citations=citations):
                turn.citations = citations
            case ReplyFinished(text=text, heard_text=heard):
                turn.answer, turn.heard_answer = text, heard
            case TurnMetrics(stages_ms=stages_ms, work=work):
                turn.stages_ms, turn.work = stages_ms, work
                self._unfinished_replies -= 1
            case TurnFailed(code=code):
                turn.failure = code

    async def ask(self, utterance: Utterance) -> SpokenTurn:
        """Speak and wait until the reply has been heard, or until none comes."""
        self._turn = SpokenTurn(utterance.text, utterance.pause_s)
        self._speaking = True
        await self._microphone.play(utterance.samples)
        self._speaking = False
        silence_s = 0.0
        while self._busy or (not self._turn.replies and silence_s < REPLY_WITHIN_S):
            await self._microphone.play(self._maker.room(STEP_SAMPLES))
            silence_s += STEP_SAMPLES / SPEECH_RATE_HZ
        await self.wait(BETWEEN_TURNS_S)
        return self._turn

    @property
    def _busy(self) -> bool:
        return self._session.phase is not Phase.LISTENING or self._unfinished_replies > 0

    async def wait(self, seconds: float) -> None:
        """Let time pass without speech."""
        await self._microphone.play(self._maker.room(int(seconds * SPEECH_RATE_HZ)))

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the tracks."""
        return self._sink.sample_rate_hz

    def tracks(self) -> tuple[Samples, Samples]:
        """The user and AURA on one time line."""
        user = resample(self._microphone.recording, SPEECH_RATE_HZ, self._sink.sample_rate_hz)
        return user, self._sink.recording()

    async def turns(self, utterances: Sequence[Utterance]) -> AsyncIterator[SpokenTurn]:
        """Ask every utterance, each after the reply to the one before."""
        await self.wait(0.5)
        for utterance in utterances:
            yield await self.ask(utterance)


@asynccontextmanager
async def hold_conversation(
    engine: Engine, handle: TenantHandle, maker: UtteranceMaker, *, real_time: bool
) -> AsyncIterator[SpokenConversation]:
    """A conversation with a new session; the block speaks, and its end is the session's."""
    clock = SampleClock()
    sink = RecordingSink(clock)
    listeners: list[SpokenConversation] = []

    async def notify(event: SessionEvent) -> None:
        await listeners[0].notice(event)

    session = await engine.voice_session(handle, asker=operator(handle.id), sink=sink, notify=notify)
    microphone = VirtualMicrophone(session, clock, real_time=real_time)
    conversation = SpokenConversation(maker, session, microphone, sink)
    listeners.append(conversation)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        yield conversation
        await session.finish()
