"""The replies of one session that are alive: at most one prepared, at most one that may be heard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from aura_local.conversation import turn_events as inputs
from aura_local.conversation.allowance import USED_UP, Allowance
from aura_local.conversation.events import FinalTranscript, ReplyFinished, TurnFailed, TurnMetrics
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.prompt import Exchange
from aura_local.conversation.question_form import asks
from aura_local.conversation.reply import AnswerStream, Question, Retrieve
from aura_local.conversation.session_engines import SessionEngines
from aura_local.conversation.session_jobs import SessionJobs
from aura_local.conversation.spoken_reply import Notify, SpokenReply
from aura_local.conversation.stopwatch import Stopwatch
from aura_local.conversation.turn_effects import PrepareReply, StartReply
from aura_local.conversation.work import TurnWork
from aura_local.errors import AuraError, QuotaExceeded
from aura_local.ports import AudioSink, Caller, Priority, TextToSpeech


class SessionObserver(Protocol):
    """Counts what happened, for the metrics."""

    def turn_over(self, metrics: TurnMetrics, *, cancelled: bool) -> None: ...

    def turn_failed(self, code: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Speaking:
    """What a session speaks with, and to whom."""

    tenant_id: str
    language: str
    engines: SessionEngines
    retrieve: Retrieve
    voice: str | None
    sink: AudioSink
    notify: Notify
    memory: ConversationMemory
    observer: SessionObserver | None
    allowance: Allowance


@dataclass(slots=True)
class LiveReplies:
    """Carries out what the turn machine decides about replies."""

    speaking: Speaking
    jobs: SessionJobs
    advance: Callable[[inputs.Event], Awaitable[None]]
    """The session's one entrance for events."""
    works: defaultdict[int, TurnWork] = field(default_factory=lambda: defaultdict(TurnWork))
    """Work counted so far, by turn."""
    _prepared: SpokenReply | None = None
    _replies: dict[int, SpokenReply] = field(default_factory=dict)
    _reported: set[int] = field(default_factory=set)
    """Replies whose failure the client knows of."""

    def prepare(self, step: PrepareReply, stopwatch: Stopwatch) -> None:
        """Begin a reply that nobody notices."""
        self.discard()
        self.works[step.turn].speculations += 1
        self._prepared = self._new_reply(step.turn, step.revision, step.text, stopwatch)
        self._begin(self._prepared)

    def discard(self) -> None:
        """What was prepared is void."""
        if self._prepared is not None:
            self._prepared.abandon()
            self.jobs.start(self._count_waste, self._prepared, self.works[self._prepared.turn])
            self._prepared = None

    async def start(self, step: StartReply, stopwatch: Stopwatch) -> None:
        """The turn is over; its reply, prepared or begun now, becomes visible and is played.

        `stopwatch` is used for a reply that begins now.
        """
        reply, self._prepared = self._prepared, None
        if reply is None or (reply.turn, reply.revision) != (step.turn, step.revision):
            reply = self._new_reply(step.turn, step.revision, step.text, stopwatch)
            self._begin(reply)
        self.jobs.start(reply.over)
        self._replies[step.reply_id] = reply
        await self.speaking.notify(FinalTranscript(step.turn, step.text))
        await reply.commit(step.reply_id)
        self.resume(step.reply_id)

    def resume(self, reply_id: int) -> None:
        """Play from the beginning, or from where the reply was cut."""
        self.jobs.start_listener_paced(self._play, self._replies[reply_id])

    def hold(self, reply_id: int, *, held: bool) -> None:
        reply = self._replies[reply_id]
        (reply.hold if held else reply.release)()

    def duck(self, reply_id: int, *, ducked: bool) -> None:
        self._replies[reply_id].duck(ducked)

    async def suspend(self, reply_id: int) -> None:
        await self._replies[reply_id].silence()

    async def cancel(self, reply_id: int) -> None:
        """Silence first, then stop the work, then remember what was heard."""
        reply = self._replies.pop(reply_id)
        await reply.silence()
        reply.abandon()
        self._conclude(reply, cancelled=True)

    def remember(self, reply_id: int) -> None:
        """The reply was heard to its end."""
        self._conclude(self._replies.pop(reply_id), cancelled=False)

    def question(self, text: str, priority: Priority) -> Question:
        """A question in this conversation, as it stands."""
        memory = self.speaking.memory
        # A suspended reply ends where it was cut if these words are real: the prompt goes by that already.
        cut = tuple(Exchange(r.question, r.heard_text) for r in self._replies.values() if r.heard_samples)
        history = memory.exchanges + cut
        language = self.speaking.language
        return Question(text, self._conversation_id, history, self.caller(priority), language)

    async def forget(self) -> None:
        """The session is over: its prompt cache goes."""
        async with self.speaking.engines.replying() as engines:
            await engines.answering.forget(self._conversation_id)

    @property
    def _conversation_id(self) -> str:
        return f"{self.speaking.tenant_id}/{self.speaking.memory.session_id}"

    def caller(self, priority: Priority) -> Caller:
        return Caller(self.speaking.tenant_id, priority)

    async def warm_up(self, turn: int, text: str) -> None:
        """Look up what is being said and evaluate its prompt; raises what the engines raise."""
        question = self.question(text, Priority.BACKGROUND)
        async with self.speaking.engines.replying() as engines:
            usage = await engines.answering.prepare(question, self.speaking.retrieve)
        self.works[turn].count_usage(usage)

    async def report(self, turn: int, error: AuraError) -> None:
        """Tell the client that a turn failed."""
        if self.speaking.observer is not None:
            self.speaking.observer.turn_failed(error.code)
        await self.speaking.notify(TurnFailed(turn, error.code, error.message, error.retryable))

    def abandon_all(self) -> None:
        self.discard()
        for reply in self._replies.values():
            reply.abandon()

    def _new_reply(self, turn: int, revision: int, text: str, stopwatch: Stopwatch) -> SpokenReply:
        question = self.question(text, Priority.VOICE)
        speaking = self.speaking
        return SpokenReply(
            turn=turn,
            revision=revision,
            question=text,
            open_answer=lambda watch: self._answer(question, watch),
            voice_name=speaking.voice,
            sink=speaking.sink,
            notify=speaking.notify,
            caller=question.caller,
            stopwatch=stopwatch,
            doubted=lambda: self._doubt(turn, revision, text),
            language=speaking.language,
        )

    @asynccontextmanager
    async def _answer(
        self, question: Question, stopwatch: Stopwatch
    ) -> AsyncIterator[tuple[AnswerStream, TextToSpeech]]:
        """The answer; where the tenant's quota forbids one, a sentence that says so. With it its voice."""
        speaking = self.speaking
        async with AsyncExitStack() as stack:
            engines = await stack.enter_async_context(speaking.engines.replying())
            try:
                await stack.enter_async_context(speaking.allowance.reserve())
            except QuotaExceeded as error:
                opening = engines.answering.refuse(question, USED_UP, error, stopwatch)
            else:
                opening = engines.answering.open(question, speaking.retrieve, stopwatch)
            yield await stack.enter_async_context(opening), engines.text_to_speech

    def _begin(self, reply: SpokenReply) -> None:
        """Make the answer; as long as it is not committed, what waits for that is not being worked on."""
        self.jobs.start_listener_paced(self._produce, reply)
        self.jobs.start(reply.prepared)

    async def _doubt(self, turn: int, revision: int, text: str) -> None:
        """The documents hold nothing clear on these words. A whole question is told so at once."""
        if not asks(text, self.speaking.language):
            await self.advance(inputs.AnswerDoubted(turn, revision))

    async def _produce(self, reply: SpokenReply) -> None:
        await reply.produce()
        if reply.failure is not None:
            await self._fail(reply, reply.failure)

    async def _play(self, reply: SpokenReply) -> None:
        heard = await reply.play(self._when_audible(reply))
        if heard and reply.failure is None:
            await self.advance(inputs.ReplyHeard(reply.reply_id))
        elif heard and reply.failure is not None:
            await self._fail(reply, reply.failure)

    def _when_audible(self, reply: SpokenReply) -> Callable[[], Awaitable[None]]:
        return lambda: self.advance(inputs.ReplyAudible(reply.reply_id))

    async def _fail(self, reply: SpokenReply, error: AuraError) -> None:
        """Only for replies that are visible, and once; one that is not visible yet fails when it is."""
        if self._replies.get(reply.reply_id) is reply and reply.reply_id not in self._reported:
            self._reported.add(reply.reply_id)
            await self.report(reply.turn, error)
            await self.advance(inputs.ReplyFailed(reply.reply_id))

    def _conclude(self, reply: SpokenReply, *, cancelled: bool) -> None:
        work = self.works.pop(reply.turn, TurnWork())
        # Results that came late for an earlier turn have left an entry again.
        for turn in [turn for turn in self.works if turn < reply.turn]:
            del self.works[turn]
        self._reported.discard(reply.reply_id)
        # The next prompt goes by it at once; storing must never delay the reply after an interruption.
        place = None
        if reply.heard_samples:
            place = self.speaking.memory.add(Exchange(reply.question, reply.heard_text))
        self.jobs.start(self._store, reply, work, place, cancelled)

    async def _count_waste(self, reply: SpokenReply, work: TurnWork) -> None:
        """What an engine has done is known when it has stopped."""
        await reply.over()
        work.count_usage(reply.answer.usage)
        work.count_waste(reply.answer.usage)

    async def _store(self, reply: SpokenReply, work: TurnWork, place: int | None, cancelled: bool) -> None:
        await reply.over()
        answer = reply.answer
        work.count_usage(answer.usage)
        work.spoken_ms = reply.spoken_samples * 1000 // self.speaking.sink.sample_rate_hz
        if not reply.heard_samples:
            work.count_waste(answer.usage)
        metrics = TurnMetrics(reply.turn, reply.reply_id, reply.stopwatch.stages_ms, work.counts())
        if self.speaking.observer is not None and reply.failure is None:
            self.speaking.observer.turn_over(metrics, cancelled=cancelled)
        if answer.refusal is not None:
            await self.report(reply.turn, answer.refusal)
        memory = self.speaking.memory
        used = self.speaking.allowance.spent(f"{memory.session_id}/{reply.reply_id}", work.counts())
        try:
            # What was heard is stored and what was used is entered, even when the session ends this moment.
            with anyio.CancelScope(shield=True):
                if place is None:
                    await memory.account(used)
                else:
                    await memory.store(
                        place,
                        answer=answer.text,
                        cancelled=cancelled,
                        citations=answer.citations,
                        stages_ms=metrics.stages_ms,
                        used=used,
                    )
        except AuraError as error:
            await self.report(reply.turn, error)
        finished = ReplyFinished(reply.reply_id, answer.text, reply.heard_text, cancelled)
        await self.speaking.notify(finished)
        await self.speaking.notify(metrics)
