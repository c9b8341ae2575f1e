"""`aura transcribe FILE`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, JsonOption, ProfileOption
from aura_local.commands.output import print_json, progress_console
from aura_local.commands.panels import CONVERSING
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.engine_room import EngineRoom
    from aura_local.ports import Samples, SpeechToText, VoiceActivityDetector
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    application.command("transcribe", rich_help_panel=CONVERSING)(transcribe)


def transcribe(
    file: Annotated[
        Path,
        typer.Argument(
            help="WAV, FLAC, Ogg, WebM, MP3 or MP4; ten minutes unless the settings say otherwise.",
            exists=True,
            dir_okay=False,
        ),
    ],
    language: Annotated[str | None, typer.Option("--language", help="ISO 639-1, e.g. `en`.")] = None,
    as_json: JsonOption = False,
    profile: ProfileOption = None,
    home: HomeOption = None,
) -> None:
    """Write down what is said in a recording, one line per utterance."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.audio.decode import decode_audio
        from aura_local.commands.engines import open_engine_room

        # Decoded first: a file that cannot be read is told before the models load.
        audio = await decode_audio(_read(file), limit_s=loaded.values.limits.recording_s)
        spoken = language or loaded.values.voice.language
        async with open_engine_room(loaded) as room:
            utterances = await _transcribe(room, audio.samples, spoken, show=not as_json)
        if as_json:
            text = " ".join(str(utterance["text"]) for utterance in utterances)
            print_json({"text": text, "language": spoken, "seconds": audio.seconds, "utterances": utterances})

    run_command(work, home=home, profile=profile, as_json=as_json)


def _read(file: Path) -> bytes:
    from aura_local.errors import AudioUnreadable, PayloadTooLarge
    from aura_local.isolation import WorkerLimits

    limit_bytes = WorkerLimits().input_bytes - 1024
    try:
        with file.open("rb") as source:
            data = source.read(limit_bytes + 1)
    except OSError as error:
        raise AudioUnreadable(f"The file cannot be read: {error.strerror}.") from error
    if len(data) > limit_bytes:
        raise PayloadTooLarge(f"The file is larger than {limit_bytes // 1024**2} MiB.")
    return data


async def _transcribe(
    room: EngineRoom, samples: Samples, language: str, *, show: bool
) -> list[dict[str, object]]:
    """Text and place of every utterance; each is printed as soon as it is known when `show` is set."""
    from rich.progress import Progress

    from aura_local.commands.utterances import cut_utterances, with_surroundings
    from aura_local.ports import SPEECH_RATE_HZ, Caller, Priority

    recogniser: SpeechToText = room.engine("speech_to_text")
    probabilities = _probabilities(room.engine("voice_activity"), samples)
    caller = Caller("command line", Priority.CHAT)
    texts: list[dict[str, object]] = []
    utterances = with_surroundings(cut_utterances(probabilities), len(samples))
    with Progress(console=progress_console(), transient=True) as progress:
        for utterance in progress.track(utterances, description="Transcribing"):
            clip = samples[utterance.first_sample : utterance.end_sample]
            transcript = await recogniser.transcribe(clip, language=language, caller=caller)
            if not transcript.text:
                continue
            if show:
                print(transcript.text, flush=True)
            texts.append(
                {
                    "start_s": round(utterance.first_sample / SPEECH_RATE_HZ, 3),
                    "end_s": round(utterance.end_sample / SPEECH_RATE_HZ, 3),
                    "text": transcript.text,
                }
            )
    return texts


def _probabilities(detector: VoiceActivityDetector, samples: Samples) -> list[float]:
    """Probability of speech of each frame; the last one is filled up with silence."""
    import numpy as np

    from aura_local.audio.frame import Framer
    from aura_local.ports import FRAME_SAMPLES

    stream = detector.open_stream()
    rest = -len(samples) % FRAME_SAMPLES
    padded = np.concatenate([samples, np.zeros(rest, np.float32)])
    return [stream.probability(frame.samples) for frame in Framer().push(padded)]
