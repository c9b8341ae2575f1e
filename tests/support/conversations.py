"""A voice session among stand-ins, fed by the sample clock: the test is the speaker and the listener."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import numpy as np

from aura_local.adapters.scripted import (
    ScriptedLanguageModel,
    ScriptedSpeechToText,
    ScriptedTextToSpeech,
    ScriptedTurns,
    ScriptedVoiceActivity,
)
from aura_local.conversation.allowance import Allowance
from aura_local.conversation.events import Citation, ReplyFinished, SessionEvent, TurnMetrics
from aura_local.conversation.grounding import Grounding, Passage
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.prompt import PromptSettings
from aura_local.conversation.reply import Answering
from aura_local.conversation.session_options import SessionOptions
from aura_local.conversation.turn_state import Phase, TurnRules
from aura_local.conversation.voice_session import VoiceSession
from aura_local.conversation.wake_phrase import WakePhrase
from aura_local.errors import AuraError
from aura_local.ports import (
    FRAME_SAMPLES,
    SPEECH_RATE_HZ,
    Caller,
    GenerationLimits,
    GroundingSentence,
    LanguageModel,
    Samples,
)
from tests.support.loop import idle
from tests.support.session_engines import FixedEngines

E = TypeVar("E")
PATIENCE_S = 5.0
"""Only ever waited for by a test that fails."""
CITATION = Citation("d1", "hours.md", "Hours", None, 3, 10, 42, "")
OPENING = "The museum opens at nine."


def grounding(*sentences: str, answerable: bool = True) -> Grounding:
    """One passage of these sentences, about equally similar to the question."""
    return Grounding(
        (Passage(CITATION, " ".join(sentences), 1.0),),
        tuple(GroundingSentence(text, 0.8, 0) for text in sentences),
        answerable,
    )


@dataclass
class Documents:
    """What a retrieval finds; can be held up and can fail."""

    found: Grounding = field(default_factory=lambda: grounding(OPENING))
    asked: list[str] = field(default_factory=list)
    failure: AuraError | None = None

    async def retrieve(self, question: str, caller: Caller) -> Grounding:
        self.asked.append(question)
        await anyio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        return self.found


class ListenedSink:
    """Plays as fast as the test listens; takes no more than `capacity_samples` ahead of it."""

    def __init__(self, log: list[object], sample_rate_hz: int = 24_000) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.capacity_samples = sample_rate_hz // 2
        self.log = log
        self.patient = False
        """Everything is heard as soon as it is played."""
        self.queued: dict[int, list[tuple[int, Samples]]] = {}
        self.heard: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self._changed = anyio.Event()

    async def play(self, reply_id: int, first_sample: int, samples: Samples) -> None:
        assert len(samples) <= self.sample_rate_hz, "at most one second at once"
        while first_sample - self.heard.get(reply_id, 0) >= self.capacity_samples:
            await self._changed.wait()
        assert first_sample == self.ends.get(reply_id, 0), "samples follow each other"
        self.log.append(("play", reply_id))
        self.queued.setdefault(reply_id, []).append((first_sample, samples))
        self.ends[reply_id] = first_sample + len(samples)
        if self.patient:
            self.heard[reply_id] = self.ends[reply_id]
        self._signal()

    async def drain(self, reply_id: int) -> int:
        while self.heard.get(reply_id, 0) < self.ends.get(reply_id, 0):
            await self._changed.wait()
        return self.heard.get(reply_id, 0)

    async def flush(self, reply_id: int) -> int:
        self.log.append(("flush", reply_id))
        self.ends[reply_id] = self.heard.setdefault(reply_id, 0)
        self._signal()
        return self.heard[reply_id]

    async def listen(self, reply_id: int, samples: int) -> None:
        """Hear so many samples more, waiting for those that are not there yet."""
        target = self.heard.get(reply_id, 0) + samples
        with anyio.fail_after(PATIENCE_S):
            while self.heard.get(reply_id, 0) < target:
                before = self.heard.get(reply_id, 0)
                self.heard[reply_id] = min(self.ends.get(reply_id, 0), target)
                self._signal()
                if self.heard[reply_id] == before:
                    await self._changed.wait()

    def listen_to_all(self) -> None:
        self.patient = True
        self.heard |= self.ends
        self._signal()

    def audio(self, reply_id: int) -> Samples:
        """All that was played of a reply, what was flushed included."""
        return np.concatenate([samples for _, samples in self.queued[reply_id]])

    def _signal(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class Conversation:
    """One session with everything around it. `log` holds events and what the sink did, in order."""

    def __init__(
        self,
        memory: ConversationMemory,
        *,
        transcripts: Sequence[str] = ("when do you open",),
        answers: Sequence[Sequence[str]] = ((OPENING,),),
        completion: float = 1.0,
        rules: TurnRules | None = None,
        partial_transcripts: bool = False,
        quoting: LanguageModel | None = None,
        allowance: Allowance | None = None,
        wake: WakePhrase | None = None,
    ) -> None:
        self.log: list[object] = []
        # What the model says is in the documents, or it would not be said.
        self.documents = Documents(grounding(OPENING, *("".join(pieces) for pieces in answers)))
        self.detector = ScriptedVoiceActivity()
        self.turns = ScriptedTurns(completion)
        self.recogniser = ScriptedSpeechToText(transcripts)
        self.model = ScriptedLanguageModel(answers)
        self.declining = ScriptedLanguageModel([["I do not know."]])
        self.voice = ScriptedTextToSpeech(samples_per_character=1_200)
        self.sink = ListenedSink(self.log)
        self.counted: list[tuple[TurnMetrics, bool]] = []
        self.failures: list[str] = []
        self.slow: Callable[[SessionEvent], Awaitable[object]] | None = None
        self._changed = anyio.Event()
        answering = Answering(
            drafting=self.model,
            quoting=quoting,
            declining=self.declining,
            prompt=PromptSettings(),
            limits=GenerationLimits(),
        )
        self.session = VoiceSession(
            engines=FixedEngines(self.detector, self.turns, self.recogniser, self.voice, answering),
            options=SessionOptions(
                "tenant", partial_transcripts=partial_transcripts, rules=rules or TurnRules(), wake=wake
            ),
            retrieve=self.documents.retrieve,
            memory=memory,
            sink=self.sink,
            notify=self._notify,
            observer=self,
            allowance=allowance,
        )

    # --- what the session tells --------------------------------------------------------------------------

    async def _notify(self, event: SessionEvent) -> None:
        if self.slow is not None:
            await self.slow(event)
        self.log.append(event)
        self._changed.set()
        self._changed = anyio.Event()

    def turn_over(self, metrics: TurnMetrics, *, cancelled: bool) -> None:
        self.counted.append((metrics, cancelled))

    def turn_failed(self, code: str) -> None:
        self.failures.append(code)

    def phase(self) -> Phase:
        return self.session.phase

    def events(self, kind: type[E]) -> list[E]:
        return [event for event in self.log if isinstance(event, kind)]

    def story(self) -> list[str]:
        """Names of all events, and what the sink did; repetitions once."""
        names: list[str] = []
        for entry in self.log:
            name = f"sink {entry[0]}" if isinstance(entry, tuple) else type(entry).__name__
            if names[-1:] != [name]:
                names.append(name)
        return names

    async def told(self, kind: type[E], count: int = 1) -> E:
        """The count-th event of a kind, as soon as it is there."""
        with anyio.fail_after(PATIENCE_S):
            while len(self.events(kind)) < count:
                await self._changed.wait()
        return self.events(kind)[count - 1]

    # --- what speaker and listener do ---------------------------------------------------------------------

    async def speak(self, milliseconds: int) -> None:
        await self._push(milliseconds, 0.5)

    async def pause(self, milliseconds: int) -> None:
        await self._push(milliseconds, 0.0)

    async def _push(self, milliseconds: int, level: float) -> None:
        """Whole frames, each heard and worked out before the next."""
        for _ in range(max(1, milliseconds * SPEECH_RATE_HZ // 1000 // FRAME_SAMPLES)):
            await self.session.push(np.full(FRAME_SAMPLES, level, dtype=np.float32))
            await self.settle()

    async def settle(self) -> None:
        with anyio.fail_after(PATIENCE_S):
            await self.session.settle()

    async def ask_aloud(self) -> None:
        """A spoken question, to the end of its turn."""
        await self.speak(800)
        await self.pause(400)

    async def hear_out(self) -> ReplyFinished:
        """Listen to whatever comes until one more reply has finished."""
        count = len(self.events(ReplyFinished)) + 1
        self.sink.listen_to_all()
        finished = await self.told(ReplyFinished, count)
        await self.told(TurnMetrics, count)
        self.sink.patient = False
        return finished

    async def listen(self, reply_id: int, text: str) -> None:
        """Hear as much of a reply as these words take; clauses are spoken with their trailing space."""
        await self.sink.listen(reply_id, len(text) * self.voice.samples_per_character)
        await idle()


@asynccontextmanager
async def running(conversation: Conversation) -> AsyncIterator[Conversation]:
    """The session's `run` beside the test; it ends with the block."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(conversation.session.run)
        await idle()
        yield conversation
        tasks.cancel_scope.cancel()
