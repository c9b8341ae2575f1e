"""`aura say "..." -o FILE`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, JsonOption, ProfileOption
from aura_local.commands.output import print_json
from aura_local.commands.panels import CONVERSING
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.ports import Samples, TextToSpeech
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    application.command("say", rich_help_panel=CONVERSING)(say)


def say(
    text: Annotated[str, typer.Argument(help="What is to be said.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="WAV file to write (16-bit, mono).", dir_okay=False)
    ],
    voice: Annotated[str | None, typer.Option("--voice", help="A voice of the chosen engine.")] = None,
    as_json: JsonOption = False,
    profile: ProfileOption = None,
    home: HomeOption = None,
) -> None:
    """Speak a text into a WAV file."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.commands.engines import open_engine_room
        from aura_local.errors import InvalidRequest

        if not text.strip():
            raise InvalidRequest("There is nothing to say.")
        async with open_engine_room(loaded) as room:
            engine: TextToSpeech = room.engine("text_to_speech")
            samples = await _speak(engine, text, voice)
        _write_wav(output, samples, engine.sample_rate_hz)
        seconds = round(len(samples) / engine.sample_rate_hz, 3)
        if as_json:
            print_json({"file": str(output), "seconds": seconds, "sample_rate_hz": engine.sample_rate_hz})
        else:
            print(f"{output}: {seconds:.1f} s at {engine.sample_rate_hz} Hz")

    run_command(work, home=home, profile=profile, as_json=as_json)


async def _speak(engine: TextToSpeech, text: str, voice: str | None) -> Samples:
    """All sentences one after the other, at the engine's rate."""
    import numpy as np

    from aura_local.conversation.sentences import ClauseSplitter
    from aura_local.ports import Caller, Priority

    splitter = ClauseSplitter(early_clause=False)
    caller = Caller("command line", Priority.CHAT)
    pieces: list[Samples] = []
    for sentence in [*splitter.push(text), *splitter.finish()]:
        async with engine.stream(sentence, voice=voice, caller=caller) as stream:
            pieces += [samples async for samples in stream]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _write_wav(path: Path, samples: Samples, sample_rate_hz: int) -> None:
    import wave

    from aura_local.audio.frame import to_pcm16
    from aura_local.errors import StorageUnavailable

    try:
        with path.open("wb") as file, wave.open(file, "wb") as target:
            target.setnchannels(1)
            target.setsampwidth(2)
            target.setframerate(sample_rate_hz)
            target.writeframes(to_pcm16(samples))
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be written: {error.strerror}.") from error
