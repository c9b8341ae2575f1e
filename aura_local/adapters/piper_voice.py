"""Speech by Piper on an ONNX Runtime session of our own. Layer 3.

`PiperVoice.load` would take every core and spin on it. Only `PiperVoice` touches espeak-ng in this
process: it holds a lock around the library, whose state is global (the bare phonemizer mixed up sentences
in 15 of 1,800 calls from six threads).
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import numpy as np

from aura_local.adapters.onnx_session import open_session, session_errors
from aura_local.adapters.registry import AdapterContext
from aura_local.adapters.speech_edges import LeadInTrimmer, fade_out
from aura_local.errors import EngineUnavailable, InvalidRequest, ModelDamaged, PayloadTooLarge
from aura_local.lanes import Lane, StopToken
from aura_local.ports import Caller, EngineDescription, Priority, Samples

TEXT_LIMIT_CHARACTERS: Final = 2000
"""Where the option `speech_characters` says nothing else."""

OFFLINE_PHONEME_TYPES: Final = {"espeak", "text"}
"""The other kinds need packages we do not carry, and the Chinese one downloads its dictionary."""


class PiperSpeech:
    """The engine: one voice on one lane."""

    def __init__(self, voice: Any, context: AdapterContext) -> None:
        """`voice` is a `piper.PiperVoice`."""
        self._voice = voice
        self._lane = Lane("Piper voice", context.budget)
        self._longest_characters = int(context.options.get("speech_characters", TEXT_LIMIT_CHARACTERS))
        self._description = EngineDescription("piper", context.model, context.synthetic, context.note)

    @property
    def description(self) -> EngineDescription:
        return self._description

    @property
    def sample_rate_hz(self) -> int:
        return int(self._voice.config.sample_rate)

    def stream(
        self, sentence: str, *, voice: str | None = None, caller: Caller
    ) -> AbstractAsyncContextManager[AsyncIterator[Samples]]:
        """See `TextToSpeech.stream`; one item per sentence that Piper finds in the text.

        `voice` names a speaker of a model with several. Raises `InvalidRequest` for an unknown one.
        """
        if len(sentence) > self._longest_characters:
            raise PayloadTooLarge(f"A sentence to speak has at most {self._longest_characters} characters.")
        speaker_id = self._speaker_id(voice)

        def produce(_stop: StopToken) -> Iterator[Samples]:
            return self._speak(sentence, speaker_id)

        return self._lane.stream(produce, caller=caller)

    async def close(self) -> None:
        await self._lane.close()
        self._voice = _Closed(self._voice.config)

    def _speaker_id(self, voice: str | None) -> int | None:
        if voice is None:
            return None
        try:
            return int(self._voice.config.speaker_id_map[voice])
        except KeyError:
            raise InvalidRequest(f"The voice {self._description.model} has no speaker {voice!r}.") from None

    def _speak(self, text: str, speaker_id: int | None) -> Iterator[Samples]:
        """Runs on the lane."""
        from piper import SynthesisConfig

        # Clauses must match in level, so none is normalised for itself.
        settings = SynthesisConfig(speaker_id=speaker_id, normalize_audio=False)
        # Piper reads [[...]] as raw phonemes; text from documents and models is never a command.
        plain = text.replace("[[", "[").replace("]]", "]")
        trimmer = LeadInTrimmer(self.sample_rate_hz)
        try:
            for chunk in self._voice.synthesize(plain, settings):
                samples = np.asarray(chunk.audio_float_array, dtype=np.float32).reshape(-1)
                if not np.isfinite(samples).all():
                    raise EngineUnavailable("The Piper voice made samples that are not numbers.")
                speech = fade_out(trimmer.push(samples), self.sample_rate_hz)
                if len(speech):
                    yield speech
        except session_errors() as error:
            raise EngineUnavailable("The Piper voice failed on a sentence.") from error


class _Closed:
    """Keeps the facts of a closed voice without its weights."""

    def __init__(self, config: Any) -> None:
        self.config = config


def open_adapter(context: AdapterContext) -> PiperSpeech:
    """Needs `voice.onnx` and `voice.onnx.json` (or any one `.onnx` with its `.onnx.json`).

    Options: `threads` (default 1), compute threads per sentence; `speech_characters`, the longest
    text. Raises `ModelMissing`, `ModelDamaged`.
    """
    from piper import PiperConfig, PiperVoice

    # Piper writes the text it speaks to its debug log and unknown phonemes to its warnings.
    for name in ("piper.voice", "piper.phoneme_ids"):
        logging.getLogger(name).setLevel(logging.ERROR)
    model, settings = _voice_files(context)
    try:
        config = PiperConfig.from_dict(json.loads(settings.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelDamaged(f"The file {settings.name} of {context.model} is no Piper voice.") from error
    if config.phoneme_type.value not in OFFLINE_PHONEME_TYPES:
        raise ModelDamaged(
            f"The voice {context.model} uses {config.phoneme_type.value} phonemes, which do not work offline."
        )
    session = open_session(model, threads=int(context.options.get("threads", 1)))
    engine = PiperSpeech(PiperVoice(session=session, config=config), context)
    with context.budget.hold(Priority.BACKGROUND):
        for _ in engine._speak("Welcome.", None):
            pass
    return engine


def _voice_files(context: AdapterContext) -> tuple[Path, Path]:
    models = [name for name in context.files if name.endswith(".onnx")]
    name = models[0] if len(models) == 1 else "voice.onnx"
    return context.file(name), context.file(f"{name}.json")
