"""Speech to text by Whisper on CTranslate2, greedy, with a second look at what is doubtful. Layer 3.

Models trained for it get an encoder window fitted to the utterance (see `whisper_window`); every other
model goes through faster-whisper as it is. Nothing here can download: the model is an absolute folder and
its tokenizer is checked first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aura_local.adapters import whisper_window
from aura_local.adapters.registry import AdapterContext
from aura_local.errors import EngineUnavailable, InvalidRequest, ModelDamaged, PayloadTooLarge
from aura_local.lanes import Lane
from aura_local.ports import SPEECH_RATE_HZ, Caller, EngineDescription, Priority, Samples, Transcript

LEAST_SPEECH_SAMPLES: Final = SPEECH_RATE_HZ // 10
"""Shorter than 0.1 s holds no word."""

MOST_SPEECH_SAMPLES: Final = 60 * SPEECH_RATE_HZ

DOUBTFUL_LOG_PROBABILITY: Final = -0.1
"""Below it an utterance is decoded again, first by a small beam, then with the full window. Of 316 utterances
(espeak-ng voices, three in ten with a pause) 19 were, and word errors fell from 2.1 to 1.3 %."""

BEAM: Final = 3

LOW_LOG_PROBABILITY: Final = -1.0
NO_SPEECH_PROBABILITY: Final = 0.6
"""Whisper's own thresholds: text is dropped when both say that nobody spoke."""


@dataclass(frozen=True, slots=True)
class _Decoding:
    tokens: list[int]
    text: str
    average_log_probability: float
    no_speech_probability: float

    @property
    def doubtful(self) -> bool:
        return self.average_log_probability < DOUBTFUL_LOG_PROBABILITY or whisper_window.loops(self.tokens)

    @property
    def rank(self) -> tuple[bool, float]:
        """The likelier the better, but a loop is likely only to itself."""
        return not whisper_window.loops(self.tokens), self.average_log_probability


class WhisperTranscriber:
    """The engine: one `faster_whisper.WhisperModel` on one lane."""

    def __init__(self, model: Any, context: AdapterContext, *, fitted: bool) -> None:
        """`fitted` says whether the encoder window follows the utterance."""
        self._model = model
        self._fitted = fitted
        self._languages = frozenset(model.supported_languages)
        self._lane = Lane("speech to text", context.budget)
        self._description = EngineDescription(
            "whisper", context.model, context.synthetic, context.note, context.writes_punctuation
        )

    @property
    def description(self) -> EngineDescription:
        return self._description

    async def transcribe(
        self, speech: Samples, *, language: str, caller: Caller, partial: bool = False
    ) -> Transcript:
        """See `SpeechToText.transcribe`. Raises `InvalidRequest` for a language the model lacks."""
        if language not in self._languages:
            raise InvalidRequest(f"The model {self._description.model} does not know the language.")
        if len(speech) > MOST_SPEECH_SAMPLES:
            raise PayloadTooLarge("An utterance lasts at most 60 seconds.")
        if len(speech) < LEAST_SPEECH_SAMPLES:
            return Transcript("", 0.0, 0.0, language)
        return await self._lane.run(lambda: self._transcribe(speech, language, partial), caller=caller)

    async def close(self) -> None:
        await self._lane.close()
        self._model = None

    def _transcribe(self, speech: Samples, language: str, partial: bool) -> Transcript:
        """Runs on the lane."""
        samples = np.ascontiguousarray(speech, dtype=np.float32)
        window_samples = self._model.feature_extractor.n_samples
        try:
            # Longer speech than the model's window needs the library's walk over several windows.
            if self._fitted and len(samples) + SPEECH_RATE_HZ <= window_samples:
                return self._transcribe_fitted(samples, language, partial)
            return self._transcribe_stock(samples, language)
        except (RuntimeError, ValueError) as error:
            raise EngineUnavailable("The speech recogniser failed on an utterance.") from error

    def _transcribe_fitted(self, samples: Samples, language: str, partial: bool) -> Transcript:
        """Encode only the utterance; while the text is doubtful, look at it again and keep the likeliest."""
        # The last frame lies behind the samples: the extractor pads them by one.
        features = self._model.feature_extractor(samples)[:, :-1]
        most_tokens = whisper_window.most_new_tokens(len(samples) / SPEECH_RATE_HZ)
        fitted = whisper_window.fitted_frames(features.shape[1])
        encoder_frames = fitted
        encoded = self._encode(features, fitted)
        tried = [self._decode(encoded, language, most_tokens, beam=1)]
        if tried[-1].doubtful and not partial:
            tried.append(self._decode(encoded, language, most_tokens, beam=BEAM))
            if tried[-1].doubtful:
                encoder_frames += whisper_window.FULL_FRAMES
                encoded = self._encode(features, whisper_window.FULL_FRAMES)
                tried.append(self._decode(encoded, language, most_tokens, beam=1))
        best = max(tried, key=lambda decoding: decoding.rank)
        silent = (
            best.no_speech_probability > NO_SPEECH_PROBABILITY
            and best.average_log_probability < LOW_LOG_PROBABILITY
        )
        return Transcript(
            "" if silent else best.text,
            best.average_log_probability,
            best.no_speech_probability,
            language,
            encoder_frames,
            sum(len(decoding.tokens) for decoding in tried),
        )

    def _encode(self, features: Any, frames: int) -> Any:
        from ctranslate2 import StorageView

        return self._model.model.encode(StorageView.from_array(whisper_window.fit(features, frames)))

    def _decode(self, encoded: Any, language: str, most_tokens: int, *, beam: int) -> _Decoding:
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        whisper = self._model.model
        tokenizer = Tokenizer(
            self._model.hf_tokenizer, whisper.is_multilingual, task="transcribe", language=language
        )
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        result = whisper.generate(
            encoded,
            [prompt],
            beam_size=beam,
            max_length=len(prompt) + most_tokens,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        )[0]
        tokens = list(result.sequences_ids[0])
        # The score is the mean over the tokens; Whisper counts the end token too. Without tokens it is
        # not a number.
        mean = result.scores[0] * len(tokens) / (len(tokens) + 1) if tokens else 0.0
        return _Decoding(tokens, tokenizer.decode(tokens).strip(), float(mean), float(result.no_speech_prob))

    def _transcribe_stock(self, samples: Samples, language: str) -> Transcript:
        """faster-whisper's own way, window by window, iterated here: its generator does the work."""
        extractor = self._model.feature_extractor
        segments, _ = self._model.transcribe(
            samples,
            language=language,
            task="transcribe",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            word_timestamps=False,
            vad_filter=False,
            compression_ratio_threshold=None,
            log_prob_threshold=LOW_LOG_PROBABILITY,
            no_speech_threshold=NO_SPEECH_PROBABILITY,
            max_new_tokens=whisper_window.most_new_tokens(len(samples) / SPEECH_RATE_HZ),
        )
        heard = list(segments)
        windows = -(-len(samples) // extractor.n_samples)
        tokens = sum(len(segment.tokens) for segment in heard)
        mean = sum(segment.avg_logprob * len(segment.tokens) for segment in heard) / max(tokens, 1)
        return Transcript(
            "".join(segment.text for segment in heard).strip(),
            float(mean),
            float(max((segment.no_speech_prob for segment in heard), default=1.0)),
            language,
            windows * whisper_window.FULL_FRAMES,
            tokens,
        )


def open_adapter(context: AdapterContext) -> WhisperTranscriber:
    """Needs `model.bin`, `config.json`, `tokenizer.json`, a vocabulary and, if the model's window is not
    30 s, `preprocessor_config.json`.

    Options: `dynamic_window` (a fact of the model, default false), `fitted_window` (default true; a
    benchmark switches it off), `device` (`cpu` or `auto`), `compute_type` (`int8`), `threads` (1).
    Raises `ModelMissing`, `ModelDamaged`.
    """
    # faster-whisper downloads a tokenizer that is missing, and any model whose name is not a folder.
    folder = context.file("tokenizer.json").parent.resolve()
    context.file("model.bin")
    context.file("config.json")

    from faster_whisper import WhisperModel

    options = context.options
    try:
        model = WhisperModel(
            str(folder),
            device=str(options.get("device", "cpu")),
            compute_type=str(options.get("compute_type", "int8")),
            cpu_threads=int(options.get("threads", 1)),
            num_workers=1,
            local_files_only=True,
        )
    except (RuntimeError, ValueError) as error:
        raise ModelDamaged(f"The model {context.model} cannot be loaded.") from error
    fitted = bool(options.get("dynamic_window", False)) and bool(options.get("fitted_window", True))
    engine = WhisperTranscriber(model, context, fitted=fitted)
    with context.budget.hold(Priority.BACKGROUND):
        silence = np.zeros(SPEECH_RATE_HZ, dtype=np.float32)
        engine._transcribe(silence, model.supported_languages[0], partial=True)
    return engine
