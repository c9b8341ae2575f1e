"""Broken and odd files, each put to the use its kind suggests: none may hang, crash or go unexplained."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from aura_local.audio.decode import decode_audio
from aura_local.benchmark.server_calls import ask_typed
from aura_local.benchmark.server_process import RunningServer
from aura_local.errors import AuraError
from aura_local.ports import SPEECH_RATE_HZ, Caller, Priority, SpeechToText

FILE_WITHIN_S: Final = 90.0
"""Longer than an isolated worker may take."""
LONGEST_AUDIO_S: Final = 60.0
QUESTION: Final = "When does the museum open?"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    file: str
    result: str
    """`indexed`, `failed`, `transcribed`, or the code of the error."""
    message: str
    """Why, for whoever sent the file; empty where there is nothing to say."""
    seconds: float
    clear: bool
    """It was read, or one typed error says what is wrong."""


async def transcribe_recordings(recogniser: SpeechToText, folder: Path) -> list[Outcome]:
    """Decode and transcribe every file of a folder and its subfolders, as `aura transcribe` does."""
    return [await _transcribe(recogniser, folder, path) for path in files_of(folder)]


async def still_answers(server: RunningServer) -> bool:
    """Whether the server answers a question about the museum with a citation."""
    reply = await ask_typed(server, QUESTION)
    return reply.status == 200 and bool(reply.body["citations"])


def files_of(folder: Path) -> list[Path]:
    """Every file of a folder and its subfolders, but for what describes them."""
    names = ("README.md", "manifest.jsonl")
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in names)


async def _transcribe(recogniser: SpeechToText, folder: Path, path: Path) -> Outcome:
    content = await anyio.Path(path).read_bytes()
    began_s = time.monotonic()
    result, message = "no answer in time", ""
    with anyio.move_on_after(FILE_WITHIN_S):
        try:
            audio = await decode_audio(content, limit_s=LONGEST_AUDIO_S)
            speech = audio.samples[: SPEECH_RATE_HZ * 30]
            caller = Caller("bad files", Priority.BACKGROUND)
            await recogniser.transcribe(speech, language="en", caller=caller)
            result = "transcribed"
        except AuraError as error:
            result, message = error.code, error.message
    return Outcome(
        file=str(path.relative_to(folder)),
        result=result,
        message=message,
        seconds=round(time.monotonic() - began_s, 2),
        clear=result == "transcribed" or (bool(message) and result != AuraError.default_code),
    )
