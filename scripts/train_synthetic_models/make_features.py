"""Render text as speech, augment it, and store Whisper's log-mel features with their labels in shards.

    python make_features.py --text build/text/train.txt --out build/features --clips 50000 --processes 2
    python make_features.py --text build/text/train.txt --out build/features_piper --clips 5000 \
        --piper build/voice/voice.onnx

A shard is `<n>.npy`, float16 [frames, 80] at 100 frames a second, and `<n>.json`: of each clip its first
frame, its frame count and its segments (start_s, end_s, text, phonemes, words).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from augmentation import SAMPLE_RATE_HZ, augment, clip_without_speech
from espeak import Espeak
from faster_whisper.feature_extractor import FeatureExtractor
from synthetic_speech import Speech, espeak_speech, piper_speaker, training_voice

LONGEST_CLIP_S = 9.8
Segment = tuple[float, float, str, list | None, list]


@dataclass(frozen=True, slots=True)
class Shard:
    """What one worker renders."""

    lines: list[str]
    folder: Path
    number: int
    clips: int
    seed: int
    piper: str | None


def make_clip(
    espeak: Espeak,
    random: np.random.Generator,
    lines: list[str],
    speak: Callable[[str], Speech] | None = None,
) -> tuple[np.ndarray, list[Segment]]:
    """One clip of no, one or two spoken lines between silences. `speak` replaces espeak-ng."""
    if random.random() < 0.04:
        return clip_without_speech(random), []
    leading_s = random.uniform(0, 0.7) * (random.random() < 0.8)
    parts = [_silence(leading_s)]
    segments: list[Segment] = []
    samples = len(parts[0])
    voice, speed = training_voice(random), random.choice([0.93, 0.97, 1.0, 1.0, 1.03, 1.07])
    parameters = {
        "rate": random.integers(130, 225),
        "pitch": random.integers(20, 85),
        "pitch_range": random.integers(20, 80),
    }
    for index in range(2 if random.random() < 0.07 else 1):
        text = lines[random.integers(len(lines))]
        marked = text + random.choice(["", ".", "?", "!"], p=[0.5, 0.25, 0.2, 0.05])
        speech = speak(marked) if speak else espeak_speech(espeak, marked, voice, speed, **parameters)
        end = samples + len(speech.audio)
        if end / SAMPLE_RATE_HZ > LONGEST_CLIP_S - 0.9 and index:
            break
        segments.append((samples / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ, text, speech.phonemes, speech.words))
        gap = _silence(random.uniform(0.35, 1.0))
        parts += [speech.audio, gap]
        samples = end + len(gap)
    parts[-1] = _silence(random.uniform(0.0, 0.9), random.random() < 0.85)
    audio = np.concatenate(parts)[: int(LONGEST_CLIP_S * SAMPLE_RATE_HZ)]
    return augment(random, audio), segments


def _silence(seconds: float, wanted: bool = True) -> np.ndarray:
    return np.zeros(int(seconds * SAMPLE_RATE_HZ * wanted), np.float32)


def render_shard(shard: Shard) -> tuple[int, int]:
    """Write one shard; returns how many clips and frames it has."""
    extractor, espeak, random = FeatureExtractor(), Espeak(), np.random.default_rng(shard.seed)
    speak = piper_speaker(shard.piper, random) if shard.piper else None
    features, labels, position = [], [], 0
    for _ in range(shard.clips):
        audio, segments = make_clip(espeak, random, shard.lines, speak)
        # Without the padding frame, which transcribe() drops too.
        frames = extractor(audio)[:, :-1].astype(np.float16).T
        features.append(frames)
        labels.append((position, len(frames), segments))
        position += len(frames)
    np.save(shard.folder / f"{shard.number}.npy", np.concatenate(features))
    (shard.folder / f"{shard.number}.json").write_text(json.dumps(labels))
    return shard.clips, position


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, default=Path("build/text/train.txt"))
    parser.add_argument("--out", type=Path, default=Path("build/features"))
    parser.add_argument("--clips", type=int, default=50000)
    parser.add_argument("--shard-clips", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--piper", help="speak with this Piper voice instead of espeak-ng")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = arguments.text.read_text().splitlines()
    shards = [
        Shard(lines, arguments.out, i, arguments.shard_clips, arguments.seed + i, arguments.piper)
        for i in range(arguments.clips // arguments.shard_clips)
    ]
    start = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        for clips, frames in pool.imap_unordered(render_shard, shards):
            print(f"{clips} clips, {frames / 100 / 3600:.2f} h, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
