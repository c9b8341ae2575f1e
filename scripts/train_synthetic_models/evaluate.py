"""Measure the exported models through the public libraries only.

python evaluate.py --recogniser build/whisper-synthetic-tiny --voice build/voice/voice.onnx
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from augmentation import SAMPLE_RATE_HZ, add_noise, coloured_noise
from espeak import Espeak
from faster_whisper import WhisperModel
from piper import PiperVoice, SynthesisConfig
from scipy.signal import resample_poly
from synthetic_speech import espeak_speech, held_out_voices
from word_errors import word_error_rate

SEEN_VOICES = ["en-us", "en", "en-gb-x-rp", "en-us+f3", "en+m2"]  # in training; the sentences are not
LEADING_S, TRAILING_S = 0.25, 0.4
LIBRARY_DEFAULTS = {"beam_size": 5, "without_timestamps": False, "condition_on_previous_text": True}
Spoken = tuple[str, np.ndarray]  # a sentence and its audio at 16 kHz


class Recogniser:
    """faster-whisper, greedy unless told otherwise, with the time it took."""

    def __init__(self, path: str) -> None:
        self._model = WhisperModel(path, device="cpu", compute_type="int8", cpu_threads=2)
        self.seconds, self.calls = 0.0, 0

    def transcribe(self, audio: np.ndarray, **options: object) -> tuple[str, list, object]:
        greedy = {
            "language": "en",
            "beam_size": 1,
            "without_timestamps": True,
            "condition_on_previous_text": False,
        }
        start = time.perf_counter()
        segments, info = self._model.transcribe(audio.astype(np.float32), **{**greedy, **options})
        segments = list(segments)
        self.seconds += time.perf_counter() - start
        self.calls += 1
        return "".join(segment.text for segment in segments).strip(), segments, info


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * SAMPLE_RATE_HZ), np.float32)


def padded(audio: np.ndarray) -> np.ndarray:
    return np.concatenate([silence(LEADING_S), audio, silence(TRAILING_S)]).astype(np.float32)


def piper_audio(voice: PiperVoice, text: str, **settings: float) -> np.ndarray:
    chunks = voice.synthesize(text, SynthesisConfig(**settings) if settings else None)
    return resample_poly(np.concatenate([c.audio_float_array for c in chunks]), 320, 441).astype(np.float32)


class Evaluation:
    """Prints one line per condition, and the first sentences that went wrong."""

    def __init__(self, recogniser: Recogniser, lines: list[str], show: int, quick: bool) -> None:
        self._recogniser, self._lines, self._show = recogniser, lines, show
        self._random = np.random.default_rng(5)
        espeak, voices = Espeak(), held_out_voices()

        def spoken(line: str, voice: str) -> Spoken:
            return line, padded(0.6 * espeak_speech(espeak, line, voice).audio)

        self.unseen = [
            spoken(line, voices[(i * 7 + j * 5) % len(voices)])
            for i, line in enumerate(lines)
            for j in range(1 if quick else 4)
        ]
        self.seen = [spoken(line, SEEN_VOICES[i % len(SEEN_VOICES)]) for i, line in enumerate(lines)]

    def report(
        self,
        name: str,
        clips: list[Spoken],
        change: Callable[[np.ndarray], np.ndarray] = lambda audio: audio,
        **options: object,
    ) -> None:
        recogniser = self._recogniser
        recogniser.seconds = recogniser.calls = 0
        said = [text for text, _ in clips]
        heard = [recogniser.transcribe(change(audio), **options)[0] for _, audio in clips]
        wrong = [pair for pair in zip(said, heard, strict=True) if pair[0] != pair[1]]
        print(
            f"{name:58s} WER {100 * word_error_rate(said, heard):5.1f} %  "
            f"exact {100 * (1 - len(wrong) / len(said)):3.0f} %  n={len(said)}  "
            f"{1000 * recogniser.seconds / recogniser.calls:.0f} ms each",
            flush=True,
        )
        for text, transcript in wrong[: self._show]:
            print("      said ", text[:150], "\n      heard", transcript[:150])

    def clean(self) -> None:
        self.report("held-out sentences, held-out voice variants, clean", self.unseen)
        self.report("held-out sentences, seen voices, clean", self.seen)

    def piper(self, voice: PiperVoice, quick: bool) -> None:
        start = time.perf_counter()
        clips = [
            (line, padded(0.7 * piper_audio(voice, line[0].upper() + line[1:] + "."))) for line in self._lines
        ]
        print(f"piper synthesis {1000 * (time.perf_counter() - start) / len(clips):.0f} ms each")
        self.report("Piper voice", clips)
        if quick:
            return
        for scale in (0.8, 1.3):
            clips = [
                (line, padded(0.7 * piper_audio(voice, line + "?", length_scale=scale)))
                for line in self._lines
            ]
            self.report(f"Piper voice, length_scale {scale}", clips)
        for scale in (0.5, 1.0, 2.0):
            samples = sum(len(piper_audio(voice, line, length_scale=scale)) for line in self._lines[:10])
            print(f"length_scale {scale}: ten sentences last {samples / SAMPLE_RATE_HZ:.1f} s")

    def disturbed(self) -> None:
        """Noise, more or less silence, other options of the library."""
        unseen, random = self.unseen, self._random
        self.report("held-out voice variants, 15 dB SNR", unseen, lambda x: add_noise(random, x, 15))
        self.report("held-out, 20 dB white", unseen[::4], lambda x: add_noise(random, x, 20, 0.0))
        self.report("held-out, beam 5, library defaults", unseen[::4], language=None, **LIBRARY_DEFAULTS)
        for lead in (silence(1), silence(3)):
            name = f"held-out, {len(lead) // SAMPLE_RATE_HZ} s more of leading silence"
            self.report(name, unseen[1::4], lambda x, lead=lead: np.concatenate([lead, x]))
        self.report(
            "held-out, 1 s leading, 20 dB noise throughout",
            unseen[1::4],
            lambda x: add_noise(random, np.concatenate([silence(1), x]), 20),
        )
        first, last = len(silence(LEADING_S)), len(silence(TRAILING_S))
        self.report("held-out, no silence at either end", unseen[2::4], lambda x: x[first:-last])
        self.report("held-out, silero VAD on", unseen[3::4], vad_filter=True)

    def joined(self) -> None:
        """Several sentences in one clip."""
        pairs = [self._join(self.seen[i : i + 2]) for i in range(0, len(self.seen) - 1, 2)]
        self.report("two sentences in one clip", pairs)
        self.report("two sentences in one clip, with timestamps", pairs, without_timestamps=False)
        files = [self._join(self.seen[i : i + 8]) for i in range(0, 48, 8)]
        for name, options in (
            ("library defaults", LIBRARY_DEFAULTS),
            ("timestamps, no conditioning", {"without_timestamps": False}),
            ("no timestamps", {}),
        ):
            self.report(f"eight sentences in one file, {name}", files, **options)

    @staticmethod
    def _join(clips: list[Spoken]) -> Spoken:
        return " ".join(text for text, _ in clips), np.concatenate([audio for _, audio in clips])

    def empty(self) -> None:
        """Silence and noise must give no text."""
        random, texts = self._random, []
        for index in range(60):
            samples = int(random.uniform(0.4, 6) * SAMPLE_RATE_HZ)
            audio = np.zeros(samples)
            if index % 3:
                noise = coloured_noise(random, samples, (0.0, 1.0)[index % 2])
                audio = noise * 10 ** (-random.uniform(15, 60) / 20)
            for plain in (True, False):
                texts.append(self._recogniser.transcribe(audio, without_timestamps=plain)[0])
        wrong = [text for text in texts if text]
        print(f"silence and noise only: {len(texts) - len(wrong)} of {len(texts)} empty, not {wrong}")

    def words(self) -> None:
        """The language and the word times of one clip, to look at."""
        options = {"word_timestamps": True, "without_timestamps": False, "language": None}
        _, segments, info = self._recogniser.transcribe(self.unseen[3][1], **options)
        words = [word for segment in segments for word in segment.words]
        times = [(word.word, round(float(word.start), 2), round(float(word.end), 2)) for word in words]
        print("language", info.language, round(info.language_probability, 3), "words", times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recogniser", default="build/whisper-synthetic-tiny")
    parser.add_argument("--voice", type=Path, default=Path("build/voice/voice.onnx"))
    parser.add_argument("--text", type=Path, default=Path("build/text/holdout.txt"))
    parser.add_argument("--show", type=int, default=6, help="wrong sentences to print per condition")
    parser.add_argument("--quick", action="store_true", help="clean speech only")
    arguments = parser.parse_args()
    lines = arguments.text.read_text().splitlines()
    evaluation = Evaluation(Recogniser(arguments.recogniser), lines, arguments.show, arguments.quick)
    evaluation.clean()
    if arguments.voice.is_file():
        evaluation.piper(PiperVoice.load(arguments.voice), arguments.quick)
    if not arguments.quick:
        evaluation.disturbed()
        evaluation.joined()
        evaluation.empty()
        evaluation.words()


if __name__ == "__main__":
    main()
