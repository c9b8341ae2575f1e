"""The seams of AURA Local: what an engine is to the rest of the program. Layer 0; read this file first.

Every port is a Protocol; the adapters in `aura_local.adapters` implement them, plugins may as well, and
`tests/contract/` holds one suite per port that each implementation must pass. Everything that crosses a
port is a plain, frozen value, so that a port can later be served from another process or machine.

Audio inside the program is always one-dimensional float32 in [-1, 1]; speech that is heard has 16,000
samples a second (`SPEECH_RATE_HZ`), speech that is made has the rate its engine states.

Both `stream` methods return an async context manager that yields an async iterator. Leaving the block is
the one, certain point of cancellation: afterwards the engine spends no more work on that stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aura_local.generation import Conversation as Conversation
from aura_local.generation import GenerationLimits as GenerationLimits
from aura_local.generation import GenerationUsage as GenerationUsage
from aura_local.generation import GroundingSentence as GroundingSentence
from aura_local.generation import Message as Message

Samples: TypeAlias = NDArray[np.float32]
"""Mono audio, shape (n,), float32 in [-1, 1]."""

SPEECH_RATE_HZ: Final = 16_000
"""Sample rate of all audio that is listened to."""

FRAME_SAMPLES: Final = 512
"""Samples per frame: the chunk silero VAD is trained on at 16 kHz (32 ms)."""


class Priority(IntEnum):
    """Order in which waiting work is served. Lower goes first."""

    VOICE = 0
    CHAT = 1
    BACKGROUND = 2


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom an engine works: decides the place in the queue and which caches may be shared."""

    tenant_id: str
    priority: Priority


@dataclass(frozen=True, slots=True)
class EngineDescription:
    """What `/voice/status`, the page and `aura doctor` say about an engine that is loaded."""

    engine: str
    """Entry-point name of the adapter, e.g. `whisper`."""
    model: str
    """Name of the catalogue entry, e.g. `whisper-synthetic-tiny`."""
    synthetic: bool = False
    """Trained on synthetic speech: for tests and demos, never chosen by `auto`."""
    note: str = ""
    """One sentence on its limits, measured where possible."""
    writes_punctuation: bool = False
    """For recognisers: whether the text carries punctuation that tells a finished sentence."""


class VoiceActivityStream(Protocol):
    """State of one audio stream inside a detector; never shared between streams."""

    def probability(self, frame: Samples) -> float:
        """Probability in [0, 1] that `frame` (shape (512,), 16 kHz) holds speech.

        Runs on the caller's thread: it costs about 0.1 ms, less than a hop to another thread.
        Raises `EngineUnavailable` when the engine fails; a failure is never reported as silence.
        """
        ...

    def reset(self) -> None:
        """Forget everything heard so far."""
        ...


@runtime_checkable
class VoiceActivityDetector(Protocol):
    """Tells speech from everything else, one frame at a time."""

    @property
    def description(self) -> EngineDescription: ...

    def open_stream(self) -> VoiceActivityStream: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser heard in one stretch of speech."""

    text: str
    """The words; empty when nothing was said."""
    average_log_probability: float
    """Mean natural-log probability per token; 0.0 where the engine has none."""
    no_speech_probability: float
    """In [0, 1]; 0.0 where the engine has none."""
    language: str
    """ISO 639-1 code the recogniser worked in."""
    encoder_frames: int = 0
    """Log-mel frames (10 ms each) that went through the encoder, retries included."""
    decoded_tokens: int = 0


@runtime_checkable
class SpeechToText(Protocol):
    """Speech in, text out."""

    @property
    def description(self) -> EngineDescription: ...

    async def transcribe(
        self, speech: Samples, *, language: str, caller: Caller, partial: bool = False
    ) -> Transcript:
        """Transcribe one utterance (16 kHz, at most 60 s).

        `partial`: the speaker is still talking and more will follow, so nothing doubtful is looked at twice.

        Cancelling the call forgets the result; native work that has begun runs to its end (bounded by
        the length of the speech). Raises `LaneBusy`, `EngineUnavailable`.
        """
        ...

    async def close(self) -> None: ...


@runtime_checkable
class TurnDetector(Protocol):
    """Judges whether the speaker has finished."""

    @property
    def description(self) -> EngineDescription: ...

    async def completion(
        self, audio: Samples, transcript: Transcript, *, punctuated: bool, silence_ms: int
    ) -> float:
        """Probability in [0, 1] that the turn is over, given its audio (16 kHz) and text so far.

        `punctuated` says whether the transcript's recogniser writes punctuation.
        """
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Embedder(Protocol):
    """Text in, unit vectors out."""

    @property
    def description(self) -> EngineDescription: ...

    @property
    def dimensions(self) -> int: ...

    @property
    def window_tokens(self) -> int:
        """Tokens of a text that count; what is beyond is not seen."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special ones included, without truncation."""
        ...

    async def embed(self, texts: Sequence[str], *, caller: Caller) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dimensions), float32, L2-normalised, in input order."""
        ...

    async def close(self) -> None: ...


class TextStream(Protocol):
    """Pieces of text as they are generated."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    @property
    def usage(self) -> GenerationUsage:
        """Work done so far; final once the iterator is exhausted or the block is left."""
        ...


@runtime_checkable
class LanguageModel(Protocol):
    """Writes the answer."""

    @property
    def description(self) -> EngineDescription: ...

    def stream(
        self, conversation: Conversation, limits: GenerationLimits, *, caller: Caller
    ) -> AbstractAsyncContextManager[TextStream]:
        """Generate an answer at temperature 0.

        Raises `LaneBusy`, `PayloadTooLarge` (the prompt does not fit), `EngineUnavailable`.
        """
        ...

    async def prepare(self, conversation: Conversation, *, caller: Caller) -> GenerationUsage:
        """Evaluate the prompt so far, so that a `stream` that begins the same way starts sooner.

        The newest message counts as unfinished. Engines without a prompt cache do nothing.
        """
        ...

    async def forget(self, conversation_id: str) -> None:
        """Drop what is cached for a conversation."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class TextToSpeech(Protocol):
    """Text in, speech out."""

    @property
    def description(self) -> EngineDescription: ...

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the samples that `stream` yields."""
        ...

    def stream(
        self, sentence: str, *, voice: str | None = None, caller: Caller
    ) -> AbstractAsyncContextManager[AsyncIterator[Samples]]:
        """Speak one sentence or clause (at most 2,000 characters); `voice` None is the default voice.

        Raises `LaneBusy`, `PayloadTooLarge`, `EngineUnavailable`.
        """
        ...

    async def close(self) -> None: ...


class AudioSink(Protocol):
    """Where a reply is heard: a socket, a loudspeaker, a file."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the samples that `play` takes; positions in a reply are counted in it."""
        ...

    async def play(self, reply_id: int, first_sample: int, samples: Samples) -> None:
        """Queue samples of a reply, shape (n,), at most one second; waits while the sink is full.

        `first_sample` is their position in the reply. Playing from an earlier position than before
        replaces what was flushed.
        """
        ...

    async def drain(self, reply_id: int) -> int:
        """Wait until all that was queued of the reply has been heard (or the listener is gone);
        returns the position up to which it was heard."""
        ...

    async def flush(self, reply_id: int) -> int:
        """Silence the reply at once; returns the position up to which it was heard."""
        ...
