"""Speech to text by PocketSphinx: rough, but it hears people where nothing was downloaded. Layer 3."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np

from aura_local.adapters.registry import AdapterContext
from aura_local.audio.frame import to_pcm16
from aura_local.errors import EngineUnavailable, InvalidRequest, ModelDamaged, PayloadTooLarge
from aura_local.lanes import Lane
from aura_local.ports import SPEECH_RATE_HZ, Caller, EngineDescription, Priority, Samples, Transcript

DICTIONARY_FILE: Final = "cmudict-en-us.dict"

LEAST_SPEECH_SAMPLES: Final = SPEECH_RATE_HZ // 10
MOST_SPEECH_SAMPLES: Final = 60 * SPEECH_RATE_HZ

FILLER: Final = re.compile(r"<[^>]*>|\[[^\]]*\]|\+\+[^+]*\+\+|\(\d+\)")
"""Silence and noise marks (`<sil>`, `[NOISE]`, `++UH++`) and the number of a pronunciation (`the(2)`)."""


class SphinxTranscriber:
    """The engine: one decoder, owned by its lane. English only."""

    def __init__(self, decoder: Any, context: AdapterContext) -> None:
        """`decoder` is a `pocketsphinx.Decoder`."""
        self._decoder = decoder
        self._lane = Lane("speech to text", context.budget)
        self._description = EngineDescription(
            "pocketsphinx", context.model, context.synthetic, context.note, writes_punctuation=False
        )

    @property
    def description(self) -> EngineDescription:
        return self._description

    async def transcribe(
        self, speech: Samples, *, language: str, caller: Caller, partial: bool = False
    ) -> Transcript:
        """See `SpeechToText.transcribe`; lower case, no punctuation, no probabilities.

        The whole utterance is decoded in one go, which takes about a third of its length.
        """
        if language != "en":
            raise InvalidRequest(f"The model {self._description.model} hears English only.")
        if len(speech) > MOST_SPEECH_SAMPLES:
            raise PayloadTooLarge("An utterance lasts at most 60 seconds.")
        if len(speech) < LEAST_SPEECH_SAMPLES:
            return Transcript("", 0.0, 0.0, language)
        text = await self._lane.run(lambda: self._decode(speech), caller=caller)
        return Transcript(text, 0.0, 0.0, language)

    async def close(self) -> None:
        await self._lane.close()
        self._decoder = None

    def _decode(self, speech: Samples) -> str:
        """Runs on the lane."""
        try:
            # The front end remembers its last utterance, full_utt or not: without this, the same audio
            # gave other words after another speaker (0.1 ms).
            self._decoder.reinit_feat()
            self._decoder.start_utt()
            self._decoder.process_raw(to_pcm16(speech), no_search=False, full_utt=True)
            self._decoder.end_utt()
            hypothesis = self._decoder.hyp()
        except RuntimeError as error:
            raise EngineUnavailable("The speech recogniser failed on an utterance.") from error
        if hypothesis is None:
            return ""
        return " ".join(FILLER.sub(" ", hypothesis.hypstr).lower().split())


def open_adapter(context: AdapterContext) -> SphinxTranscriber:
    """Needs the files of `pocketsphinx/model/en-us`; its folder is where the dictionary lies.

    Raises `ModelMissing`, `ModelDamaged`.
    """
    dictionary = context.file(DICTIONARY_FILE)

    from pocketsphinx import Decoder

    try:
        decoder = Decoder(
            hmm=str(dictionary.parent / "en-us"),
            lm=str(dictionary.parent / "en-us.lm.bin"),
            dict=str(dictionary),
            samprate=float(SPEECH_RATE_HZ),
            loglevel="FATAL",
        )
    except (RuntimeError, ValueError) as error:
        raise ModelDamaged(f"The model {context.model} cannot be loaded.") from error
    engine = SphinxTranscriber(decoder, context)
    with context.budget.hold(Priority.BACKGROUND):
        engine._decode(np.zeros(SPEECH_RATE_HZ, dtype=np.float32))
    return engine
