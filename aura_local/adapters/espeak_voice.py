"""Speech by espeak-ng, in a worker process of its own. Layer 3.

The library's state is global to a process and Piper uses it too (sentences were mixed up across threads),
so it is loaded only in `espeak_worker`, which speaks one sentence at a time.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from aura_local.adapters.espeak_worker import MalformedMessage, read_message, write_message
from aura_local.adapters.registry import AdapterContext
from aura_local.adapters.speech_edges import LeadInTrimmer
from aura_local.audio.frame import from_pcm16
from aura_local.errors import EngineUnavailable, InvalidRequest, PayloadTooLarge
from aura_local.lanes import Lane, StopToken
from aura_local.ports import Caller, EngineDescription, Samples

TEXT_LIMIT_CHARACTERS: Final = 2000
"""Where the option `speech_characters` says nothing else."""

REPLY_DEADLINE_S: Final = 10.0
"""Longest wait for one message; espeak-ng is about 500 times faster than speech, so this means hung."""

VOICE_NAME: Final = re.compile(r"[A-Za-z0-9_+-]{1,40}")
"""No dots or slashes: espeak-ng would look for a file."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """How a sentence is spoken."""

    voice: str = "en-us"
    """Name of an espeak-ng voice, with a variant if wanted: `en-gb-x-rp+f3`."""
    rate_wpm: int = 175
    """Words per minute, 80 to 450."""
    pitch: int = 50
    """0 to 99."""


class EspeakProcess:
    """One worker process and the pipes to it. Used by one thread at a time."""

    def __init__(self, library: str, data_folder: str) -> None:
        """Start the worker and wait until it has loaded the library. Raises `EngineUnavailable`."""
        module = "aura_local.adapters.espeak_worker"
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", module, library, data_folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            header, _ = self._receive()
        except EngineUnavailable:
            self.kill()
            raise
        self.sample_rate_hz = int(header["sample_rate_hz"])

    @property
    def process_id(self) -> int:
        return self._process.pid

    def speak(self, text: str, speaker: Speaker) -> Iterator[bytes]:
        """16-bit PCM, piece by piece. Raises `EngineUnavailable` (the worker died), `InvalidRequest`."""
        request = {"text": text, "voice": speaker.voice, "rate_wpm": speaker.rate_wpm, "pitch": speaker.pitch}
        try:
            write_message(self._process.stdin, request)  # type: ignore[arg-type]
        except OSError as error:
            raise _died() from error
        while True:
            header, payload = self._receive()
            if header.get("kind") == "unknown_voice":
                raise InvalidRequest(f"espeak-ng has no voice called {speaker.voice!r}.")
            if header.get("kind") != "audio":
                return
            yield payload

    def kill(self) -> None:
        """End the worker now and leave no zombie. Idempotent."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # a request that the worker never read
                    pipe.close()

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        watchdog = threading.Timer(REPLY_DEADLINE_S, self._process.kill)
        watchdog.name = "espeak watchdog"
        watchdog.start()
        try:
            message = read_message(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, MalformedMessage) as error:
            raise _died() from error
        finally:
            watchdog.cancel()
            watchdog.join()
        if message is None:
            raise _died()
        return message


class EspeakVoice:
    """The engine: a lane in front of one worker process at a time."""

    def __init__(
        self, context: AdapterContext, library: str, data_folder: str, speaker: Speaker | None = None
    ) -> None:
        """Start the worker. Raises `EngineUnavailable` when the library cannot be used."""
        self._library = library
        self._data_folder = data_folder
        self._speaker = speaker or Speaker()
        self._longest_characters = int(context.options.get("speech_characters", TEXT_LIMIT_CHARACTERS))
        self._description = EngineDescription("espeak", context.model, context.synthetic, context.note)
        self._lane = Lane("espeak-ng voice", context.budget)
        self._process: EspeakProcess | None = EspeakProcess(library, data_folder)
        self._sample_rate_hz = self._process.sample_rate_hz

    @property
    def description(self) -> EngineDescription:
        return self._description

    @property
    def sample_rate_hz(self) -> int:
        return self._sample_rate_hz

    @property
    def worker_process_id(self) -> int | None:
        """Process id of the worker in use, for the process list of `aura doctor` and for tests."""
        return None if self._process is None else self._process.process_id

    def stream(
        self, sentence: str, *, voice: str | None = None, caller: Caller
    ) -> AbstractAsyncContextManager[AsyncIterator[Samples]]:
        """See `TextToSpeech.stream`. A worker that is cut off in the middle is replaced."""
        speaker = self._speaker if voice is None else replace(self._speaker, voice=voice)
        self._check(sentence, speaker)

        def produce(_stop: StopToken) -> Iterator[Samples]:
            trimmer = LeadInTrimmer(self._sample_rate_hz)
            for pcm in self._speak(sentence, speaker):
                samples = trimmer.push(from_pcm16(pcm))
                if len(samples):
                    yield samples

        return self._lane.stream(produce, caller=caller)

    async def speak(
        self, text: str, *, voice: str = "en-us", rate_wpm: int = 175, pitch: int = 50, caller: Caller
    ) -> Samples:
        """A whole text by any espeak-ng voice, untrimmed: for benchmarks and tests."""
        speaker = Speaker(voice, rate_wpm, pitch)
        self._check(text, speaker)
        pieces = await self._lane.run(lambda: list(self._speak(text, speaker)), caller=caller)
        return from_pcm16(b"".join(pieces)) if pieces else np.zeros(0, dtype=np.float32)

    async def close(self) -> None:
        """End the worker. Idempotent."""
        await self._lane.close()
        self._stop_process()

    def _check(self, text: str, speaker: Speaker) -> None:
        if len(text) > self._longest_characters:
            raise PayloadTooLarge(f"A sentence to speak has at most {self._longest_characters} characters.")
        if not VOICE_NAME.fullmatch(speaker.voice):
            raise InvalidRequest("The name of an espeak-ng voice has letters, digits, '-', '_' and '+' only.")

    def _speak(self, text: str, speaker: Speaker) -> Iterator[bytes]:
        """Runs on the lane. Whatever cuts this short, the next sentence meets a worker that is idle."""
        if not text.strip():
            return
        process = self._process or self._start_process()
        finished = False
        try:
            yield from process.speak(text, speaker)
            finished = True
        except InvalidRequest:
            finished = True
            raise
        finally:
            if not finished:
                self._stop_process()
                self._start_process()

    def _start_process(self) -> EspeakProcess:
        self._process = EspeakProcess(self._library, self._data_folder)
        return self._process

    def _stop_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()


def _died() -> EngineUnavailable:
    return EngineUnavailable("The espeak-ng worker ended unexpectedly; it is started again.", retryable=True)


def open_adapter(context: AdapterContext) -> EspeakVoice:
    """Needs the package espeakng-loader (extra `starter`); the catalogue's files are its data folder.

    Options: `voice`, `rate_wpm`, `pitch`, `speech_characters`. Raises `EngineUnavailable` when the worker
    cannot start.
    """
    import espeakng_loader

    names = ("voice", "rate_wpm", "pitch")
    speaker = Speaker(**{name: context.options[name] for name in names if name in context.options})
    data_folder = context.file("phontab").parent if context.files else espeakng_loader.get_data_path()
    return EspeakVoice(context, espeakng_loader.get_library_path(), str(data_folder), speaker)
