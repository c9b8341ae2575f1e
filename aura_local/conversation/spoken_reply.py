"""One answer on its way to being heard: prepared unnoticed, then committed, played, cut or taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from typing import TypeAlias

import anyio
import numpy as np

from aura_local.audio.resample import StreamResampler
from aura_local.conversation.events import (
    CitationsFound,
    PlaybackFlushed,
    ReplyAudioStarted,
    ReplyStarted,
    ReplyTextDelta,
    SessionEvent,
)
from aura_local.conversation.playback import ReplyAudio
from aura_local.conversation.reply import Answer, AnswerStream
from aura_local.conversation.sentences import ClauseSplitter
from aura_local.conversation.spoken_form import spoken_lengths, spoken_parts
from aura_local.conversation.stopwatch import Stopwatch
from aura_local.errors import AuraError
from aura_local.ports import AudioSink, Caller, GenerationUsage, Samples, TextToSpeech

Notify: TypeAlias = Callable[[SessionEvent], Awaitable[None]]
DUCKED_GAIN = np.float32(0.25)
"""Loudness while it is unclear whether somebody interrupts (-12 dB)."""


class SpokenReply:
    """Made for one (turn, revision); visible to nobody before `commit`."""

    def __init__(
        self,
        *,
        turn: int,
        revision: int,
        question: str,
        open_answer: Callable[[Stopwatch], AbstractAsyncContextManager[tuple[AnswerStream, TextToSpeech]]],
        voice_name: str | None,
        sink: AudioSink,
        notify: Notify,
        caller: Caller,
        stopwatch: Stopwatch,
        doubted: Callable[[], Awaitable[None]],
        language: str = "en",
    ) -> None:
        """`open_answer` lends the voice along with the answer that it speaks.

        `doubted` is awaited when, before the commit, the documents turn out to hold nothing clear.
        """
        self.turn = turn
        self.revision = revision
        self.question = question
        self.reply_id = 0
        self.heard_samples = 0
        self.failure: AuraError | None = None
        self.stopwatch = stopwatch
        self._open_answer = open_answer
        self._voice_name = voice_name
        self._language = language
        self._sink = sink
        self._notify = notify
        self._caller = caller
        self._audio = ReplyAudio(sink.sample_rate_hz)
        self._doubted = doubted
        self._stream: AnswerStream | None = None
        self._unsent: list[CitationsFound | ReplyTextDelta] = []
        self._committed = anyio.Event()
        self._prepared = anyio.Event()
        self._over = anyio.Event()
        self._playable = anyio.Event()
        self._playable.set()
        self._gain = np.float32(1.0)
        self._producing = anyio.CancelScope()
        self._playing: anyio.CancelScope | None = None
        self._silenced = False

    # --- making the answer and its speech ------------------------------------------------------------

    async def produce(self) -> None:
        """Answer and speak until everything is in the buffer, the reply is ended, or something fails.

        Before the commit only the first clause is spoken: more would be wasted if the turn goes on.
        """
        try:
            with self._producing:
                await self._answer()
        except AuraError as error:
            self.failure = error
        finally:
            self._audio.finish()
            self._prepared.set()
            self._over.set()

    async def prepared(self) -> None:
        """Wait until there is nothing left to do before the commit."""
        await self._prepared.wait()

    async def over(self) -> None:
        """Wait until no engine works on the reply any more; `answer` is final then."""
        await self._over.wait()

    async def _answer(self) -> None:
        async with self._open_answer(self.stopwatch) as (stream, voice):
            self._stream = stream
            if not stream.answer.clear and not self._committed.is_set():
                await self._doubted()
            splitter = ClauseSplitter()
            async for event in stream:
                await self._publish(event)
                if isinstance(event, ReplyTextDelta):
                    for clause in splitter.push(event.text + " "):
                        await self._speak(clause, voice)
            for clause in splitter.finish():
                await self._speak(clause, voice)

    async def _speak(self, clause: str, voice: TextToSpeech) -> None:
        if self._audio.length_samples:
            self._prepared.set()
            await self._committed.wait()
        parts = spoken_parts(clause, self._language)
        spoken = "".join(part.spoken for part in parts)
        if not any(letter.isalnum() for letter in spoken):
            return  # an address or a mark alone: shown, but nothing to say
        self._audio.begin_clause(clause, spoken_lengths(parts))
        resampler = StreamResampler(voice.sample_rate_hz, self._audio.sample_rate_hz)
        async with voice.stream(spoken, voice=self._voice_name, caller=self._caller) as pieces:
            async for samples in pieces:
                self._add(resampler.push(samples))
        self._add(resampler.finish())

    def _add(self, samples: Samples) -> None:
        if len(samples):
            self._audio.add(samples)
            self.stopwatch.mark("first_audio_ready")

    async def _publish(self, event: CitationsFound | ReplyTextDelta) -> None:
        if self.reply_id:
            await self._notify(replace(event, reply_id=self.reply_id))
        else:
            self._unsent.append(event)

    # --- being heard ---------------------------------------------------------------------------------

    async def commit(self, reply_id: int) -> None:
        """The turn is over: what is ready becomes visible, the rest follows."""
        self.stopwatch.mark("committed")
        await self._notify(ReplyStarted(reply_id, self.turn))
        while self._unsent:
            await self._notify(replace(self._unsent.pop(0), reply_id=reply_id))
        self.reply_id = reply_id
        self._committed.set()

    async def play(self, audible: Callable[[], Awaitable[None]]) -> bool:
        """Play from where it was cut; `audible` is awaited with the first audio.

        Returns True when everything was heard, False when the reply was suspended or ended meanwhile.
        """
        self._silenced = False
        with anyio.CancelScope() as scope:
            self._playing = scope
            if self._producing.cancel_called:
                return False
            async with aclosing(self._audio.read(self.heard_samples)) as pieces:
                async for first_sample, samples in pieces:
                    await self._playable.wait()
                    if first_sample == 0:
                        await self._notify(ReplyAudioStarted(self.reply_id))
                    await self._sink.play(self.reply_id, first_sample, samples * self._gain)
                    if first_sample == 0:
                        self.stopwatch.mark("first_audio")
                        await audible()
            self.heard_samples = await self._sink.drain(self.reply_id)
            return True
        return False

    def hold(self) -> None:
        """Stay inaudible until `release`."""
        self._playable = anyio.Event()

    def release(self) -> None:
        self._playable.set()

    def duck(self, ducked: bool) -> None:
        """Lower or restore the loudness of what is played from now on."""
        self._gain = DUCKED_GAIN if ducked else np.float32(1.0)

    async def silence(self) -> None:
        """Stop being heard at once; the sink is flushed before anything else happens.

        A reply that was silenced before and not resumed since is silent already.
        """
        if self._silenced:
            return
        self._silenced = True
        self.heard_samples = await self._sink.flush(self.reply_id)
        if self._playing is not None:
            self._playing.cancel()
        await self._notify(PlaybackFlushed(self.reply_id, self.heard_samples))
        self.duck(False)

    def abandon(self) -> None:
        """Stop all work on the answer."""
        self._producing.cancel()
        if self._playing is not None:
            self._playing.cancel()

    # --- what came of it -----------------------------------------------------------------------------

    @property
    def answer(self) -> Answer:
        """The answer as far as it was generated."""
        if self._stream is None:
            return Answer("", (), False, False, False, GenerationUsage(), self.stopwatch.stages_ms)
        return self._stream.answer

    @property
    def heard_text(self) -> str:
        return self._audio.heard_text(self.heard_samples)

    @property
    def spoken_samples(self) -> int:
        """Samples made so far, at the sink's rate."""
        return self._audio.length_samples
