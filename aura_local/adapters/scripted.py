"""Stand-ins for every port that follow a script, for tests of the logic around the engines. Layer 3.

No settings file can pick them. Each records its calls, can be told to fail, and waits for an `anyio.Event`.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np
from numpy.typing import NDArray

from aura_local.ports import (
    Caller,
    Conversation,
    EngineDescription,
    GenerationLimits,
    GenerationUsage,
    Samples,
    Transcript,
)


@dataclass(slots=True)
class Script:
    """What a stand-in does besides its job."""

    failure: BaseException | None = None
    """Raised by every call while set."""
    hold: anyio.Event | None = None
    """Every call waits for it first."""
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    """What was asked, in order: the method's name, then its arguments."""
    closed: bool = False

    async def enter(self, *call: Any) -> None:
        """Record a call, wait and fail as told."""
        self.calls.append(call)
        if self.hold is not None:
            await self.hold.wait()
        if self.failure is not None:
            raise self.failure


def _description(engine: str, *, writes_punctuation: bool = False) -> EngineDescription:
    return EngineDescription(
        engine, "scripted", synthetic=True, note="For tests only.", writes_punctuation=writes_punctuation
    )


class ScriptedVoiceActivity:
    """Probabilities from a list, frame by frame, then silence; or 1.0 for every frame above an energy."""

    def __init__(
        self, probabilities: Iterable[float] | None = None, *, energy_threshold: float = 1e-4
    ) -> None:
        """Without `probabilities`, a frame whose mean square exceeds `energy_threshold` is speech."""
        self.description = _description("scripted voice activity")
        self.script = Script()
        self.energy_threshold = energy_threshold
        self.probabilities = None if probabilities is None else list(probabilities)

    def open_stream(self) -> ScriptedVoiceActivityStream:
        return ScriptedVoiceActivityStream(self)

    async def close(self) -> None:
        self.script.closed = True


class ScriptedVoiceActivityStream:
    def __init__(self, detector: ScriptedVoiceActivity) -> None:
        self._detector = detector
        self._frames = 0

    def probability(self, frame: Samples) -> float:
        script = self._detector.script
        script.calls.append(("probability", len(frame)))
        if script.failure is not None:
            raise script.failure
        place, self._frames = self._frames, self._frames + 1
        probabilities = self._detector.probabilities
        if probabilities is None:
            return float(np.mean(np.square(frame)) > self._detector.energy_threshold)
        return probabilities[place] if place < len(probabilities) else 0.0

    def reset(self) -> None:
        self._frames = 0


class ScriptedSpeechToText:
    """Transcripts from a queue; the last one is repeated."""

    def __init__(self, transcripts: Iterable[str | Transcript], *, writes_punctuation: bool = False) -> None:
        self.description = _description("scripted speech to text", writes_punctuation=writes_punctuation)
        self.script = Script()
        self.transcripts = list(transcripts)

    async def transcribe(
        self, speech: Samples, *, language: str, caller: Caller, partial: bool = False
    ) -> Transcript:
        await self.script.enter("transcribe", len(speech), language, caller)
        heard = self.transcripts.pop(0) if len(self.transcripts) > 1 else self.transcripts[0]
        return heard if isinstance(heard, Transcript) else Transcript(heard, 0.0, 0.0, language)

    async def close(self) -> None:
        self.script.closed = True


class ScriptedTurns:
    """One completion for every text: a number, or a function of the text."""

    def __init__(self, completion: float | Callable[[str], float] = 1.0) -> None:
        self.description = _description("scripted turns")
        self.script = Script()
        self._completion = completion

    async def completion(
        self, audio: Samples, transcript: Transcript, *, punctuated: bool, silence_ms: int
    ) -> float:
        await self.script.enter("completion", len(audio), transcript.text, punctuated, silence_ms)
        return self._completion(transcript.text) if callable(self._completion) else self._completion

    async def close(self) -> None:
        self.script.closed = True


class ScriptedEmbedder:
    """Unit vectors from hashed words: texts that share words are similar, others are not."""

    def __init__(self, dimensions: int = 64, window_tokens: int = 256) -> None:
        self.description = _description("scripted embedder")
        self.script = Script()
        self.dimensions = dimensions
        self.window_tokens = window_tokens

    def count_tokens(self, text: str) -> int:
        return len(text.split()) + 2

    async def embed(self, texts: Sequence[str], *, caller: Caller) -> NDArray[np.float32]:
        await self.script.enter("embed", tuple(texts), caller)
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split()[: self.window_tokens] or [""]:
                digest = hashlib.sha256(word.strip(".,?!").encode()).digest()
                vectors[row, int.from_bytes(digest[:4], "little") % self.dimensions] += 1.0
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    async def close(self) -> None:
        self.script.closed = True


class ScriptedTextStream:
    """The pieces of one scripted answer; waits for the script's event in front of each."""

    def __init__(self, pieces: Sequence[str], usage: GenerationUsage, script: Script) -> None:
        self._pieces = pieces
        self._final = usage
        self._script = script
        self._running = self._generate()
        self.usage = GenerationUsage()

    def __aiter__(self) -> AsyncIterator[str]:
        return self._running

    async def close(self) -> None:
        await self._running.aclose()

    async def _generate(self) -> AsyncGenerator[str, None]:
        for count, piece in enumerate(self._pieces, start=1):
            await self._script.enter("piece", count)
            self.usage = GenerationUsage(
                self._final.prompt_tokens_evaluated, self._final.prompt_tokens_reused, count
            )
            yield piece
        self.usage = self._final


class ScriptedLanguageModel:
    """Answers from a queue, each a list of pieces; the last one is repeated."""

    def __init__(self, answers: Sequence[Sequence[str]], *, usage: GenerationUsage | None = None) -> None:
        self.description = _description("scripted language model")
        self.script = Script()
        self.answers = [list(pieces) for pieces in answers]
        self.usage = usage
        self.conversations: list[Conversation] = []
        self.forgotten: list[str] = []
        self.open_streams = 0

    def stream(
        self, conversation: Conversation, limits: GenerationLimits, *, caller: Caller
    ) -> AbstractAsyncContextManager[ScriptedTextStream]:
        return self._stream(conversation, limits, caller)

    @asynccontextmanager
    async def _stream(
        self, conversation: Conversation, limits: GenerationLimits, caller: Caller
    ) -> AsyncIterator[ScriptedTextStream]:
        self.conversations.append(conversation)
        self.script.calls.append(("stream", conversation.id, limits, caller))
        pieces = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        pieces = pieces[: limits.answer_tokens]
        prompt_tokens = sum(len(message.text.split()) for message in conversation.messages)
        usage = self.usage or GenerationUsage(prompt_tokens, 0, len(pieces))
        stream = ScriptedTextStream(pieces, usage, self.script)
        self.open_streams += 1
        try:
            yield stream
        finally:
            self.open_streams -= 1
            await stream.close()

    async def prepare(self, conversation: Conversation, *, caller: Caller) -> GenerationUsage:
        await self.script.enter("prepare", conversation.id, caller)
        return GenerationUsage()

    async def forget(self, conversation_id: str) -> None:
        self.forgotten.append(conversation_id)

    async def close(self) -> None:
        self.script.closed = True


class ScriptedTextToSpeech:
    """A quiet tone, so many samples for each character, in pieces of at most 0.1 s."""

    def __init__(self, sample_rate_hz: int = 24_000, samples_per_character: int = 1_200) -> None:
        self.description = _description("scripted text to speech")
        self.script = Script()
        self.sample_rate_hz = sample_rate_hz
        self.samples_per_character = samples_per_character
        self.spoken: list[str] = []
        self.open_streams = 0

    def stream(
        self, sentence: str, *, voice: str | None = None, caller: Caller
    ) -> AbstractAsyncContextManager[AsyncIterator[Samples]]:
        return self._stream(sentence, voice, caller)

    @asynccontextmanager
    async def _stream(
        self, sentence: str, voice: str | None, caller: Caller
    ) -> AsyncIterator[AsyncIterator[Samples]]:
        self.script.calls.append(("stream", sentence, voice, caller))
        self.open_streams += 1
        pieces = self._pieces(sentence)
        try:
            yield pieces
        finally:
            self.open_streams -= 1
            await pieces.aclose()

    async def _pieces(self, sentence: str) -> AsyncGenerator[Samples, None]:
        await self.script.enter("speak", sentence)
        total = len(sentence) * self.samples_per_character
        tone = 0.25 * np.sin(np.arange(total) * (2 * np.pi * 440 / self.sample_rate_hz))
        step = self.sample_rate_hz // 10
        for start in range(0, total, step):
            yield tone[start : start + step].astype(np.float32)
        self.spoken.append(sentence)

    async def close(self) -> None:
        self.script.closed = True


class RecordingSink:
    """Keeps every frame; what was heard is what was played, or as many samples as the test says."""

    def __init__(self, sample_rate_hz: int = 24_000) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.script = Script()
        self.frames: list[tuple[int, int, Samples]] = []
        """Reply id, first sample, samples."""
        self.flushed: list[int] = []
        self.heard_samples: int | None = None

    async def play(self, reply_id: int, first_sample: int, frame: Samples) -> None:
        await self.script.enter("play", reply_id, first_sample, len(frame))
        self.frames.append((reply_id, first_sample, frame.copy()))

    async def drain(self, reply_id: int) -> int:
        return self._heard(reply_id)

    async def flush(self, reply_id: int) -> int:
        self.flushed.append(reply_id)
        return self._heard(reply_id)

    def _heard(self, reply_id: int) -> int:
        return len(self.audio(reply_id)) if self.heard_samples is None else self.heard_samples

    def audio(self, reply_id: int) -> Samples:
        """Everything played of one reply, joined."""
        pieces = [frame for reply, _, frame in self.frames if reply == reply_id]
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)
