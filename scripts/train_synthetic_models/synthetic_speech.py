"""Speech at 16 kHz by espeak-ng or a Piper voice, with the times of its phonemes and words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from augmentation import SAMPLE_RATE_HZ
from espeak import Espeak
from piper import PiperVoice, SynthesisConfig
from scipy.signal import resample_poly

ACCENTS = ["en-us", "en", "en-gb-x-rp", "en-029", "en-gb-scotland", "en-us-nyc"]
ACCENT_SHARES = [0.38, 0.24, 0.14, 0.06, 0.10, 0.08]
MAIN_VARIANTS = ["", "", "m1", "m2", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f5"]
MORE_VARIANTS = (
    "Alex Alicia Andy Annie Denis Gene Gene2 Hugo Lee Mario Mike adam anika antonio aunty belinda "
    "benjamin boris caleb ed edward gustave ian iven john klatt klatt2 klatt3 marcelo max michel miguel "
    "norbert pablo paul pedro quincy rob robert sandro shelby steph travis victor zac"
).split()
HELD_OUT_VARIANTS = ["m3", "f4", "Andrea", "Michael", "david", "linda"]  # never used for training


@dataclass(frozen=True, slots=True)
class Speech:
    """One spoken text: float32 audio at 16 kHz, and (name, start in seconds) of its phonemes and words.

    `phonemes` is None, and a word's start may be, where the synthesiser does not tell.
    """

    audio: np.ndarray
    phonemes: list[tuple[str, float]] | None
    words: list[tuple[str, float | None]]


def training_voice(random: np.random.Generator) -> str:
    """A random espeak-ng voice: accent and variant."""
    accent = ACCENTS[random.choice(len(ACCENTS), p=ACCENT_SHARES)]
    variant = random.choice(MAIN_VARIANTS if random.random() < 0.6 else MORE_VARIANTS)
    return accent + ("+" + variant if variant else "")


def held_out_voices() -> list[str]:
    return [
        f"{accent}+{variant}" for variant in HELD_OUT_VARIANTS for accent in ("en-us", "en", "en-gb-scotland")
    ]


def espeak_speech(espeak: Espeak, text: str, voice: str, speed: float = 1.0, **parameters: int) -> Speech:
    """The text by an espeak-ng voice, trimmed to where it is audible. `speed` moves the pitch with it."""
    raw, rate_hz, events = espeak.say(text, voice, **parameters)
    audio = resample_poly(raw, 320, round(441 * speed * rate_hz / 22050)).astype(np.float32)
    loud = np.flatnonzero(np.abs(audio) > 0.01)
    first, last = (max(0, loud[0] - 160), loud[-1] + 320) if len(loud) else (0, 1600)

    def start_s(sample: int) -> float:
        return round(max(0.0, sample / rate_hz / speed - first / SAMPLE_RATE_HZ), 3)

    phonemes = [(ipa.replace("\u02c8", "").replace("\u02cc", ""), start_s(sample)) for ipa, sample in events]
    starts = dict(espeak.words)
    words: list[tuple[str, float | None]] = []
    position = 0
    for word in text.rstrip(".?!").split(" "):
        # A word without an event of its own shares its predecessor's.
        inherited = words[-1][1] if words else 0.0
        words.append((word, start_s(starts[position]) if position in starts else inherited))
        position += len(word) + 1
    return Speech(audio[first:last], phonemes, words)


def piper_speaker(path: str, random: np.random.Generator) -> Callable[[str], Speech]:
    """A function that speaks a text by a Piper voice at random settings.

    Words have starts where the voice's phoneme alignments tell them apart; phonemes have none.
    """
    voice = PiperVoice.load(path, include_alignments=True)

    def speak(text: str) -> Speech:
        settings = SynthesisConfig(
            length_scale=float(random.uniform(0.7, 1.4)),
            noise_scale=float(random.choice([0.667, 0.667, random.uniform(0, 1)])),
        )
        parts, starts, samples = [], [0.0], 0
        for chunk in voice.synthesize(text[0].upper() + text[1:], settings, include_alignments=True):
            parts.append(chunk.audio_float_array)
            for alignment in chunk.phoneme_alignments or []:
                samples += int(alignment.num_samples)
                if alignment.phoneme == " ":
                    starts.append(samples / chunk.sample_rate)
        audio = resample_poly(np.concatenate(parts), 320, 441).astype(np.float32)
        words = text.rstrip(".?!").split(" ")
        known = len(words) == len(starts)
        return Speech(
            audio, None, [(word, round(starts[i], 3) if known else None) for i, word in enumerate(words)]
        )

    return speak
