"""Cuts a recording at its pauses, so that each piece is short enough for a recogniser. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.conversation.hearing import LEAD_SAMPLES, TAIL_SAMPLES
from aura_local.conversation.speech_gate import SpeechGate, SpeechPaused, SpeechStarted
from aura_local.ports import FRAME_SAMPLES, SPEECH_RATE_HZ

PAUSE_SAMPLES: Final = SPEECH_RATE_HZ * 400 // 1000
"""Silence between two utterances; shorter pauses lie inside one."""
LONGEST_SAMPLES: Final = SPEECH_RATE_HZ * 28
"""Whisper's window is 30 s; the rest is for the audio around the speech."""
SEARCH_SAMPLES: Final = SPEECH_RATE_HZ * 10
"""Speech without a pause is cut at the quietest frame of the last 10 s that fit."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech; positions in samples at 16 kHz."""

    first_sample: int
    end_sample: int


def cut_utterances(probabilities: Sequence[float]) -> list[Utterance]:
    """The utterances of a recording, given the probability of speech of each of its frames, in order."""
    merged: list[Utterance] = []
    for speech in _speech(probabilities):
        if merged and speech.first_sample - merged[-1].end_sample < PAUSE_SAMPLES:
            merged[-1] = Utterance(merged[-1].first_sample, speech.end_sample)
        else:
            merged.append(speech)
    return [piece for utterance in merged for piece in _split(utterance, probabilities)]


def with_surroundings(utterances: Sequence[Utterance], length_samples: int) -> list[Utterance]:
    """The same with a little audio around each, as recognisers want it; none overlaps another."""
    widened: list[Utterance] = []
    for index, utterance in enumerate(utterances):
        earliest = widened[-1].end_sample if widened else 0
        latest = utterances[index + 1].first_sample if index + 1 < len(utterances) else length_samples
        widened.append(
            Utterance(
                max(utterance.first_sample - LEAD_SAMPLES, earliest),
                min(utterance.end_sample + TAIL_SAMPLES, latest),
            )
        )
    return widened


def _speech(probabilities: Sequence[float]) -> list[Utterance]:
    gate = SpeechGate()
    found: list[Utterance] = []
    started: int | None = None
    for index, probability in enumerate(probabilities):
        for event in gate.hear(index * FRAME_SAMPLES, probability):
            if isinstance(event, SpeechStarted):
                started = event.sample
            elif isinstance(event, SpeechPaused) and started is not None:
                found.append(Utterance(started, event.sample))
                started = None
    if started is not None:
        found.append(Utterance(started, len(probabilities) * FRAME_SAMPLES))
    return found


def _split(utterance: Utterance, probabilities: Sequence[float]) -> list[Utterance]:
    pieces: list[Utterance] = []
    first = utterance.first_sample
    while utterance.end_sample - first > LONGEST_SAMPLES:
        limit = (first + LONGEST_SAMPLES) // FRAME_SAMPLES
        candidates = range(limit - SEARCH_SAMPLES // FRAME_SAMPLES, limit)
        quietest = min(candidates, key=lambda frame: probabilities[frame]) * FRAME_SAMPLES
        pieces.append(Utterance(first, quietest))
        first = quietest
    return [*pieces, Utterance(first, utterance.end_sample)]
