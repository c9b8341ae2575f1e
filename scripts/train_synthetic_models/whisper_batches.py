"""Batches of stored features with the labels that supervise the recogniser."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokens import Tokens
from torch import Tensor
from whisper_model import PHONEMES, WINDOW

IGNORED = -100  # cross entropy skips this label
Clip = tuple[np.ndarray, int, int, list]  # shard features, first frame, frames, segments
TimedToken = tuple[int, float | None, float | None]  # token, start_s, end_s


class Shards:
    """Clips of feature folders, in batches of similar length. A folder given as PATH*3 counts three times."""

    def __init__(self, folders: list[str], frames: int = 9000, joined: float = 0.0) -> None:
        self._folders = [folder.partition("*") for folder in folders]
        self._frames, self._joined = frames, joined
        self._seen: set[Path] = set()
        self.clips: list[Clip] = []
        self._scan()

    def batches(self, source: random.Random) -> Iterator[list[Clip]]:
        """Endless batches; new shards join as they are written."""
        while True:
            self._scan()
            pool = source.sample(self.clips, min(1600, len(self.clips)))
            pool.sort(key=lambda clip: clip[2])
            batches, start = [], 0
            while start < len(pool):
                longest = pool[min(start + 24, len(pool) - 1)][2] + 6
                size = max(4, self._frames // longest)
                batches.append(pool[start : start + size])
                start += size
            source.shuffle(batches)
            for batch in batches:
                yield batch
                if source.random() < self._joined:
                    count = max(4, self._frames // 850)
                    yield [join_clips(source, source.sample(self.clips, 4)) for _ in range(count)]

    def _scan(self) -> None:
        for folder, _, weight in self._folders:
            for labels in sorted(Path(folder).glob("*.json")):
                if labels in self._seen:
                    continue
                self._seen.add(labels)
                features = np.load(labels.with_suffix(".npy"), mmap_mode="r")
                clips = [
                    (features, first, frames, segments)
                    for first, frames, segments in json.loads(labels.read_text())
                ]
                self.clips += clips * int(weight or 1)


def join_clips(source: random.Random, clips: list[Clip]) -> Clip:
    """Several clips in one window; what does not fit is cut off, as faster-whisper cuts long audio."""
    parts, segments, now = [], [], 0
    for features, first, frames, spoken in clips[: source.randint(2, 4)]:
        if now > 700:
            break
        parts.append(np.asarray(features[first : first + frames], np.float32))
        offset_s = now / 100
        segments += [(a + offset_s, b + offset_s, *rest) for a, b, *rest in spoken]
        now += frames
    joined = np.concatenate(parts)[: 2 * WINDOW - 8]
    return np.maximum(joined, joined.max() - 2), 0, len(joined), segments


def perturb(source: random.Random, features: np.ndarray, plain: bool) -> np.ndarray:
    """Features of another vocal tract, level and tilt, with bands and frames missing."""
    features = features.astype(np.float32)
    frames, bands = features.shape
    if not plain and source.random() < 0.6:  # another vocal tract: stretch the mel axis
        position = np.clip(np.arange(bands) * source.uniform(0.91, 1.09), 0, bands - 1.001)
        below = position.astype(int)
        share = (position - below).astype(np.float32)
        features = features[:, below] * (1 - share) + features[:, below + 1] * share
    if source.random() < 0.5:
        features = features + source.uniform(-0.25, 0.25)
    if source.random() < 0.5:
        features = features + np.linspace(-1, 1, bands, dtype=np.float32) * source.uniform(-0.15, 0.15)
    if source.random() < 0.3:
        start = source.randint(0, 72)
        features[:, start : start + source.randint(1, 8)] = features.mean()
    if source.random() < 0.3 and frames > 60:
        start = source.randint(0, frames - 10)
        features[start : start + source.randint(1, 8)] = features.mean()
    return features


def phoneme_labels(segments: list, positions: int, table: dict[str, int]) -> np.ndarray:
    """One phoneme number per 20 ms position; 0 is silence. New phonemes join the table."""
    labels = np.zeros(positions, np.int64)
    for start_s, end_s, _, phonemes, _ in segments:
        if phonemes is None:  # speech without phoneme labels
            return np.full(positions, IGNORED)
        for index, (ipa, offset_s) in enumerate(phonemes):
            stop_s = phonemes[index + 1][1] if index + 1 < len(phonemes) else end_s - start_s
            if ipa:
                first = round((start_s + offset_s) / 0.02)
                last = round((start_s + min(stop_s, end_s - start_s)) / 0.02)
                labels[max(0, first) : last] = table.setdefault(ipa, min(len(table) + 1, PHONEMES - 1))
    return labels


def text_tokens(tokens: Tokens, segment: list) -> list[TimedToken]:
    """The tokens of one segment, each spanning its word where its time is known."""
    start_s, end_s, _, _, words = segment
    timed: list[TimedToken] = []
    for index, (word, offset_s) in enumerate(words):
        if offset_s is None:
            timed += [(token, None, None) for token in tokens.encode(word)]
            continue
        later = (other for _, other in words[index + 1 :] if other > offset_s + 0.01)
        stop_s = next(later, end_s - start_s)
        timed += [(token, start_s + offset_s, start_s + stop_s) for token in tokens.encode(word)]
    return timed


@dataclass(frozen=True, slots=True)
class Batch:
    """`mel` [clips, 80, frames], `inputs` and `targets` [clips, tokens], `phonemes` [clips, positions].

    `spans` are (clip, position in targets, start_s, end_s) of the tokens whose word is timed, `lead` the
    silent positions before the clips.
    """

    mel: Tensor
    inputs: Tensor
    targets: Tensor
    phonemes: Tensor
    spans: list[tuple[int, int, float, float]]
    lead: int


@dataclass(frozen=True, slots=True)
class Labeller:
    """Makes batches of clips. `texts` are lines for the prompt, `plain` is the first phase of training."""

    tokens: Tokens
    source: random.Random
    texts: list[str]
    phoneme_table: dict[str, int]
    plain: bool

    def batch(self, clips: list[Clip]) -> Batch:
        source, end = self.source, self.tokens.end_of_text
        frames = (max(clip[2] for clip in clips) + 4 + 3) // 4 * 4
        positions = frames // 2 - 1
        lead = self._lead(WINDOW - positions)
        mel = np.zeros((len(clips), frames, 80), np.float32)
        phonemes = np.zeros((len(clips), positions), np.int64)
        inputs, targets, spans = [], [], []
        for row, (features, first, length, segments) in enumerate(clips):
            mel[row, :length] = perturb(source, np.asarray(features[first : first + length]), self.plain)
            phonemes[row] = phoneme_labels(segments, positions, self.phoneme_table)
            head, body = self._text(segments, length, lead)
            prompt = self._prompt()
            start = len(prompt) + len(head)
            inputs.append([*prompt, *head, *(token for token, _, _ in body), end])
            target = [*inputs[-1][1:], IGNORED]
            target[: start - 1] = [IGNORED] * (start - 1)
            # What Whisper reads its probability of no speech from.
            target[len(prompt)] = self.tokens.english if segments else self.tokens.no_speech
            targets.append(target)
            spans += [(row, start - 1 + i, a, b) for i, (_, a, b) in enumerate(body) if a is not None]
        longest = max(map(len, inputs))
        return Batch(
            torch.from_numpy(mel).transpose(1, 2),
            torch.tensor([line + [end] * (longest - len(line)) for line in inputs]),
            torch.tensor([line + [IGNORED] * (longest - len(line)) for line in targets]),
            torch.from_numpy(phonemes),
            spans,
            lead,
        )

    def _lead(self, room: int) -> int:
        source = self.source
        if self.plain or source.random() < 0.35 or room < 2:
            return 0
        return source.randint(1, room if source.random() < 0.25 else min(room, 150))

    def _text(self, segments: list, length: int, lead: int) -> tuple[list[int], list[TimedToken]]:
        """The tokens that start the text, and the text itself, with or without timestamps."""
        tokens, source = self.tokens, self.source
        language = tokens.english if source.random() < 0.92 else source.choice(tokens.languages)
        task = tokens.transcribe if source.random() < 0.92 else tokens.translate
        head = [tokens.start, language, task]
        timed = source.random() < 0.45
        if not timed:
            head.append(tokens.no_timestamps)

        def stamp(time_s: float, most: int = WINDOW) -> list[TimedToken]:
            number = tokens.first_timestamp + min(most, lead + round(time_s / 0.02))
            return [(number, None, None)] if timed else []

        body: list[TimedToken] = []
        for index, segment in enumerate(segments):
            opening = stamp(segment[0], WINDOW if index else 50)  # faster-whisper wants the first within 1 s
            if segment[1] * 100 <= length + 5:
                body += opening + text_tokens(tokens, segment) + stamp(segment[1])
            elif timed and index:  # cut off: leave it to the next window
                body += opening
            else:
                heard = [
                    token
                    for token in text_tokens(tokens, segment)
                    if token[2] is None or token[2] * 100 <= length + 5
                ]
                body += opening + heard + stamp(length / 100)
        if timed and not body:
            body = [(tokens.first_timestamp, None, None)]
        return head, body

    def _prompt(self) -> list[int]:
        """Now and then earlier text, as faster-whisper passes it from window to window."""
        tokens, source = self.tokens, self.source
        if source.random() >= 0.08:
            return []
        prompt = [tokens.previous, *tokens.encode(source.choice(self.texts))[:60]]
        if source.random() < 0.4:
            lines = [source.choice(self.texts) for _ in range(source.randint(1, 5))]
            prompt += tokens.encode(" ".join(lines))
        return prompt
