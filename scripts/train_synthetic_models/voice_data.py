"""What the voice learns from: espeak-ng speech, the frames of every phoneme and the fundamental frequency."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass

import numpy as np
import torch
from espeak import Espeak
from piper.phonemize_espeak import EspeakPhonemizer
from torch import Tensor
from voice_model import HOP, SAMPLE_RATE_HZ

UNSPOKEN = set(" .,?!;:ʲ")  # codepoints without a duration of their own
ONSETS = [
    *"b bl br ch cl d dr f fl g gr h j k l m n p pl pr r s sh sl sp st str t th tr v w z sk sn qu".split(),
    "",
]
NUCLEI = "a e i o u ai ee oo ou oi ea ar or er ow ay".split()
CODAS = [*"b d f g k l m n p r s t th sh ch nd nt st ng ck lt mp x ve ze".split(), "", ""]


@dataclass(frozen=True, slots=True)
class Utterance:
    """Phoneme ids with their frame counts; float32 audio at 22,050 Hz; F0 in Hz and voicing per frame."""

    ids: list[int]
    frames: list[int]
    audio: np.ndarray
    f0_hz: np.ndarray
    voiced: np.ndarray


def fundamental_frequency(audio: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """F0 in Hz per frame by autocorrelation, for clean speech, and whether the frame is voiced."""
    padded = np.pad(audio, (512, 1024 + HOP))
    window = np.hanning(1024)
    segments = np.stack([padded[i * HOP + HOP // 2 :][:1024] for i in range(frames)]) * window[None]
    correlation = np.fft.irfft(np.abs(np.fft.rfft(segments, 2048)) ** 2)[:, :600]
    of_window = np.fft.irfft(np.abs(np.fft.rfft(window, 2048)) ** 2)[:600]
    relative = correlation / (correlation[:, :1] + 1e-6) / (of_window / of_window[0])[None]
    shortest, longest = SAMPLE_RATE_HZ // 220, SAMPLE_RATE_HZ // 55
    rows = np.arange(frames)
    peak = shortest + relative[:, shortest:longest].argmax(1)
    before, at, after = (relative[rows, peak + step] for step in (-1, 0, 1))
    shift = np.clip(0.5 * (before - after) / (before - 2 * at + after - 1e-9), -1, 1)
    f0_hz = SAMPLE_RATE_HZ / (peak + shift)
    voiced = (at > 0.6) & (correlation[:, 0] > 0.01)
    if voiced.sum() < 2:
        return np.full(frames, 110.0), voiced
    median = np.median(f0_hz[voiced])
    voiced &= (f0_hz > median / 1.7) & (f0_hz < median * 1.7)
    return np.interp(rows, np.flatnonzero(voiced), f0_hz[voiced]), voiced


def nonsense(source: random.Random) -> str:
    """Two to six made-up words, so that the voice learns sounds in every company."""

    def syllable() -> str:
        return source.choice(ONSETS) + source.choice(NUCLEI) + source.choice(CODAS)

    words = (
        "".join(syllable() for _ in range(source.choice([1, 1, 2]))) for _ in range(source.randint(2, 6))
    )
    return " ".join(words)


def spread(points: list[str], events: list[tuple[str, int]], total: int) -> np.ndarray | None:
    """Samples of each of Piper's codepoints `points`, by espeak-ng's phoneme events of `total` samples.

    None where the two do not spell the same phonemes.
    """
    samples = np.zeros(len(points))
    end, last, position = len(points) - 1, 0, 1
    samples[0] += events[0][1] if events else 0
    for number, (ipa, start) in enumerate(events):
        span = (events[number + 1][1] if number + 1 < len(events) else total) - start
        spoken = [character for character in unicodedata.normalize("NFD", ipa) if character != "ʲ"]
        if not spoken:  # a pause: give it to the next space or mark
            pausing = position < len(points) and (points[position] in UNSPOKEN or points[position] == "$")
            samples[position if pausing else last] += span
            continue
        matched = []
        for character in spoken:
            while position < end and points[position] in UNSPOKEN:
                position += 1
            if position >= end or points[position] != character:
                return None
            matched.append(position)
            position += 1
        sounding = [index for index in matched if points[index] not in "ˈˌ"] or matched
        for index in sounding:
            samples[index] += span / len(sounding)
        last = matched[-1]
    while position < end and points[position] in UNSPOKEN:
        position += 1
    return samples if position == end else None


def align(
    phonemes: list[str], events: list[tuple[str, int]], total: int, id_map: dict[str, list[int]]
) -> tuple[list[int], list[int]] | None:
    """Piper's ids of the phonemes and the frames of each; None where espeak-ng's events do not fit."""
    points = ["^", *phonemes, "$"]
    samples = spread(points, events, total)
    if samples is None:
        return None
    edges = np.round(np.concatenate([[0], np.cumsum(samples)]) / HOP).astype(int)
    ids, frames = [], []
    for point, count in zip(points, np.diff(edges), strict=True):
        for number in id_map[point]:
            ids.append(number)
            frames.append(int(count))
        if point != "$":
            ids.append(0)
            frames.append(0)
    return ids, frames


def make_utterances(
    lines: list[str], count: int, id_map: dict[str, list[int]], voice: str, rate: int
) -> list[Utterance]:
    """`count` utterances of at most 6 s, of the lines and of nonsense; what cannot be aligned is left out."""
    phonemizer, espeak, source = EspeakPhonemizer(), Espeak(), random.Random(0)
    made: list[Utterance] = []
    tried = 0
    while len(made) < count:
        tried += 1
        text = nonsense(source) if source.random() < 0.25 else source.choice(lines)
        if source.random() < 0.12:
            text += ", " + source.choice(lines)
        text += source.choice(["", ".", ".", "?", "!"])
        sentences = phonemizer.phonemize("en-us", text)
        if len(sentences) != 1:
            continue
        audio, _, events = espeak.say(text, voice, rate=rate, pitch=50, pitch_range=50)
        loud = np.flatnonzero(np.abs(audio) > 0.004)
        if not len(loud):
            continue
        total = min(len(audio), loud[-1] + 2200)  # keep 0.1 s of the closing silence
        spoken = [event for event in events if event[1] < total]
        aligned = align(sentences[0], spoken, total, id_map)
        if aligned is None or len(audio) > 6 * SAMPLE_RATE_HZ:
            continue
        ids, frames = aligned
        length = sum(frames)
        audio = np.pad(audio[: length * HOP], (0, max(0, length * HOP - len(audio)))).astype(np.float32)
        f0_hz, voiced = fundamental_frequency(audio, length)
        made.append(Utterance(ids, frames, audio, f0_hz.astype(np.float32), voiced))
    print(f"{len(made)} utterances kept of {tried}", flush=True)
    return made


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded utterances: `ids`, `frames` and `real` [batch, ids], `audio` [batch, samples].

    The others are [batch, frames]. `real` and `mask` say which ids and frames are no padding.
    """

    ids: Tensor
    frames: Tensor
    real: Tensor
    index: Tensor
    progress: Tensor
    duration: Tensor
    audio: Tensor
    f0_hz: Tensor
    voiced: Tensor
    mask: Tensor


def make_batch(utterances: list[Utterance]) -> Batch:
    rows = len(utterances)
    ids = max(len(utterance.ids) for utterance in utterances)
    length = max(len(utterance.f0_hz) for utterance in utterances)
    batch = Batch(
        ids=torch.zeros(rows, ids, dtype=torch.long),
        frames=torch.zeros(rows, ids),
        real=torch.zeros(rows, ids, dtype=torch.bool),
        index=torch.zeros(rows, length, dtype=torch.long),
        progress=torch.zeros(rows, length),
        duration=torch.ones(rows, length),
        audio=torch.zeros(rows, length * HOP),
        f0_hz=torch.full((rows, length), 110.0),
        voiced=torch.zeros(rows, length, dtype=torch.bool),
        mask=torch.zeros(rows, length, dtype=torch.bool),
    )
    for row, utterance in enumerate(utterances):
        known, length = len(utterance.ids), len(utterance.f0_hz)
        frames = torch.tensor(utterance.frames)
        index = torch.repeat_interleave(torch.arange(known), frames)
        start = torch.cumsum(frames, 0) - frames
        batch.ids[row, :known] = torch.tensor(utterance.ids)
        batch.frames[row, :known] = frames.float()
        batch.real[row, :known] = True
        batch.index[row, :length] = index
        batch.duration[row, :length] = frames[index].float()
        batch.progress[row, :length] = (torch.arange(length) - start[index] + 0.5) / frames[index]
        batch.audio[row, : length * HOP] = torch.from_numpy(utterance.audio)
        batch.f0_hz[row, :length] = torch.from_numpy(utterance.f0_hz)
        batch.voiced[row, :length] = torch.from_numpy(utterance.voiced)
        batch.mask[row, :length] = True
    return batch
