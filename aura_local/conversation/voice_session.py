"""A conversation by voice: carries out what the turn machine decides.

All events go through `advance`, one at a time; the machine is pure, this file is its thin shell. Every
task belongs to the session's task group, the input queue is bounded, and a failed turn is an event, not
the end of the session.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import anyio

from aura_local.audio.frame import Frame, Framer
from aura_local.conversation import turn_effects as effects
from aura_local.conversation import turn_events as inputs
from aura_local.conversation.allowance import Allowance, Unlimited
from aura_local.conversation.attention import Attention
from aura_local.conversation.early_words import EarlyWords
from aura_local.conversation.events import FinalTranscript, SpeechStarted, SpeechStopped
from aura_local.conversation.hearing import Hearing
from aura_local.conversation.live_replies import LiveReplies, SessionObserver, Speaking
from aura_local.conversation.memory import ConversationMemory
from aura_local.conversation.reply import Retrieve
from aura_local.conversation.session_engines import SessionEngines
from aura_local.conversation.session_jobs import SessionJobs
from aura_local.conversation.session_options import SessionOptions
from aura_local.conversation.speech_gate import SpeechGate
from aura_local.conversation.spoken_reply import Notify
from aura_local.conversation.stopwatch import Stopwatch
from aura_local.conversation.turn_machine import advance
from aura_local.conversation.turn_state import Phase, TurnState
from aura_local.errors import AuraError, ProtocolViolation
from aura_local.ports import SPEECH_RATE_HZ, AudioSink, Priority, Samples

QUEUED_FRAMES = 64
"""Frames that may wait for the detector (2 s); then `push` waits, and the client with it."""


class VoiceSession:
    """One listener, one speaker, many turns."""

    def __init__(
        self,
        *,
        engines: SessionEngines,
        options: SessionOptions,
        retrieve: Retrieve,
        memory: ConversationMemory,
        sink: AudioSink,
        notify: Notify,
        observer: SessionObserver | None = None,
        allowance: Allowance | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._notify = notify
        self._jobs = SessionJobs()
        self._clock = clock
        self._framer = Framer()
        self._gate = SpeechGate(options.gate)
        self._detector = engines.open_stream()
        self._attention = Attention(options.wake)
        self._hearing = Hearing(
            engines=engines.hearing,
            language=options.language,
            waits=options.waits,
            meant=self._attention.meant,
        )
        speaking = Speaking(
            tenant_id=options.tenant_id,
            language=options.language,
            engines=engines,
            retrieve=retrieve,
            voice=options.voice,
            sink=sink,
            notify=notify,
            memory=memory,
            observer=observer,
            allowance=allowance or Unlimited(),
        )
        self._replies = LiveReplies(speaking, self._jobs, self.advance)
        self.session_id = memory.session_id
        self._state = TurnState()
        self._order = anyio.Lock()
        self._frames_in, self._frames_out = anyio.create_memory_object_stream[Frame](QUEUED_FRAMES)
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=QUEUED_FRAMES * 4)
        self._early_words = EarlyWords(
            hearing=self._hearing,
            replies=self._replies,
            jobs=self._jobs,
            notify=notify,
            state=lambda: self._state,
            speculation=options.rules.speculation,
            clock=clock,
        )
        self._unheard_frames = 0
        self._stopwatch = Stopwatch(clock)  # counts from the last speech sample

    @property
    def received_samples(self) -> int:
        """Samples at 16 kHz accepted since the start."""
        return self._framer.received_samples

    @property
    def phase(self) -> Phase:
        return self._state.phase

    # --- what the client does --------------------------------------------------------------------------

    async def run(self) -> None:
        """Own all tasks of the session; returns after `finish`, once the last reply is over.

        Raises `EngineUnavailable` when the detector fails: deafness is never reported as silence.
        """
        failure: AuraError | None = None
        try:
            async with anyio.create_task_group() as tasks:
                self._jobs.open(tasks)
                try:
                    await self._listen()
                except AuraError as error:
                    failure = error  # raised outside of the group, which would wrap it
                tasks.cancel_scope.cancel()
        finally:
            self._unheard_frames = 0
            self._jobs.close()
            self._frames_in.close()
            self._replies.abandon_all()
            with anyio.CancelScope(shield=True), suppress(AuraError):
                await self._replies.forget()
        if failure is not None:
            raise failure

    async def push(self, samples: Samples) -> None:
        """Hear samples (shape (n,), 16 kHz, float32); waits while the session is 2 s behind.

        Raises `ProtocolViolation` after the end of the session.
        """
        now = self._clock()
        for frame in self._framer.push(samples):
            self._arrivals.append((frame.end_sample, now))
            self._unheard_frames += 1
            try:
                await self._frames_in.send(frame)
            except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
                self._unheard_frames = 0
                raise ProtocolViolation("The session is over; no more audio is taken.") from error

    async def ask(self, text: str) -> None:
        """A typed question; interrupts a running reply."""
        await self.advance(inputs.TextEntered(text.strip()))

    async def cancel(self) -> None:
        """Stop the running reply."""
        await self.advance(inputs.CancelRequested())

    async def input_stalled(self) -> None:
        """No audio comes at the moment: a running utterance is taken as complete."""
        await self.advance(inputs.InputStalled())

    async def finish(self) -> None:
        """No more input will come."""
        await self._frames_in.aclose()

    async def settle(self) -> None:
        """Wait until everything pushed so far has been heard and nothing is being worked out.

        For callers that feed audio by the sample clock instead of in real time.
        """
        while self._jobs.busy or self._unheard_frames:
            await self._jobs.change()

    # --- hearing ---------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hear every frame until there is no more input and nothing is left to say."""
        async with self._frames_out:
            async for frame in self._frames_out:
                await self._hear(frame)
                self._unheard_frames -= 1
                self._jobs.signal()
        await self.advance(inputs.InputStalled())
        while self._jobs.busy or self._state.phase is not Phase.LISTENING:
            await self._jobs.change()

    async def _hear(self, frame: Frame) -> None:
        self._hearing.keep(frame, needed_from=self._needed_from(frame))
        probability = self._detector.probability(frame.samples)
        for event in self._gate.hear(frame.first_sample, probability):
            await self.advance(event)
        await self.advance(inputs.TimePassed(frame.end_sample, self._gate.quiet))
        if self._options.partial_transcripts:
            self._early_words.look(frame.end_sample)

    def _needed_from(self, frame: Frame) -> int:
        """The gate opens a few frames late, so those are kept even while nobody speaks."""
        state = self._state
        opening = frame.first_sample - self._options.gate.start_frames * len(frame.samples)
        onset = opening if state.onset is None else state.onset
        # A reply that can be heard is not taken back: what was said before it is not needed any more.
        if state.phase in (Phase.LISTENING, Phase.SPEAKING):
            return onset
        return min(state.first_sample, onset)

    async def _transcribe(self, job: effects.Transcribe) -> None:
        silence_ms = (self._state.now - job.end_sample) * 1000 // SPEECH_RATE_HZ
        clip = self._hearing.clip(job.first_sample, job.end_sample)
        try:
            heard = await self._hearing.listen(
                clip, self._replies.caller(Priority.VOICE), silence_ms=silence_ms
            )
        except AuraError as error:
            await self._replies.report(job.turn, error)
            await self.advance(inputs.TranscriptionFailed(job.turn, job.revision))
            return
        work = self._replies.works[job.turn]
        work.count_transcript(heard.transcript)
        work.heard_ms = max(work.heard_ms, len(clip) * 1000 // SPEECH_RATE_HZ)
        if (job.turn, job.revision) == (self._state.turn, self._state.revision):
            self._stopwatch.mark("transcribed")
            self._attention.heard(heard.transcript.text, job.end_sample)
        await self.advance(inputs.Transcribed(job.turn, job.revision, heard.text, heard.wait_ms))

    # --- carrying out ----------------------------------------------------------------------------------

    async def advance(self, event: inputs.Event) -> None:
        """Let the machine decide, then do what it says, before the next event is looked at."""
        async with self._order:
            before = self._state
            self._state, steps = advance(before, event, self._options.rules)
            self._attention.follow(before, self._state)
            for step in steps:
                await self._carry_out(step)
        self._jobs.signal()

    async def _carry_out(self, step: effects.Effect) -> None:  # noqa: PLR0912 - one case per effect
        replies = self._replies
        match step:
            case effects.OpenTurn(turn, sample):
                self._early_words.begin_turn()
                await self._notify(SpeechStarted(turn, sample))
            case effects.Pause(turn, sample):
                self._stopwatch = Stopwatch(self._clock, self._heard_at(sample))
                self._stopwatch.mark("pause_detected")
                await self._notify(SpeechStopped(turn, sample))
            case effects.Transcribe():
                self._jobs.start(self._transcribe, step)
            case effects.PrepareReply():
                self._early_words.stop_warming()
                replies.prepare(step, self._stopwatch)
            case effects.Discard():
                replies.discard()
            case effects.CloseTurn(turn):
                replies.works.pop(turn, None)
                await self._notify(FinalTranscript(turn, ""))
            case effects.StartReply():
                typed = self._state.transcript is None
                await replies.start(step, Stopwatch(self._clock) if typed else self._stopwatch)
            case effects.HoldReply(reply_id):
                replies.hold(reply_id, held=True)
            case effects.ReleaseReply(reply_id):
                replies.hold(reply_id, held=False)
            case effects.Duck(reply_id):
                replies.duck(reply_id, ducked=True)
            case effects.Restore(reply_id):
                replies.duck(reply_id, ducked=False)
            case effects.SuspendReply(reply_id):
                await replies.suspend(reply_id)
            case effects.ResumeReply(reply_id):
                replies.resume(reply_id)
            case effects.CancelReply(reply_id):
                await replies.cancel(reply_id)
            case effects.RememberTurn(reply_id):
                replies.remember(reply_id)

    def _heard_at(self, sample: int) -> float:
        """When a sample arrived, on the session's clock; now, where that is not known any more."""
        for end_sample, arrived_s in self._arrivals:
            if end_sample >= sample:
                return arrived_s - (end_sample - sample) / SPEECH_RATE_HZ
        return self._clock()
