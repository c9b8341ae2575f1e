"""Silence in front of a sentence goes, everything else stays."""

from __future__ import annotations

import numpy as np

from aura_local.adapters.speech_edges import LeadInTrimmer, fade_out
from aura_local.ports import Samples

RATE_HZ = 16_000


def tone(samples: int) -> Samples:
    wave: Samples = (0.5 * np.cos(np.arange(samples) * 0.2)).astype(np.float32)
    return wave


def trimmed(pieces: list[Samples]) -> Samples:
    trimmer = LeadInTrimmer(RATE_HZ)
    return np.concatenate([trimmer.push(piece) for piece in pieces])


def test_ten_milliseconds_of_the_lead_in_stay() -> None:
    quiet = np.full(1_600, 0.001, dtype=np.float32)
    speech = trimmed([np.concatenate([quiet, tone(800)])])
    assert len(speech) == 160 + 800
    np.testing.assert_array_equal(speech[160:], tone(800))


def test_the_pieces_do_not_matter() -> None:
    whole = np.concatenate([np.full(1_000, 0.002, dtype=np.float32), tone(900), np.zeros(500, np.float32)])
    expected = trimmed([whole])
    for size in (1, 7, 100, 1_003):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        together = trimmed(pieces)
        assert len(together) == len(expected)
        # The fade lies in the first piece that is heard; behind it every sample is the same.
        np.testing.assert_array_equal(together[32:], expected[32:])


def test_silence_inside_and_behind_stays() -> None:
    gap = np.zeros(3_200, dtype=np.float32)
    assert len(trimmed([tone(100), gap, tone(100), gap])) == 100 + 3_200 + 100 + 3_200


def test_nothing_audible_gives_nothing() -> None:
    assert len(trimmed([np.zeros(5_000, dtype=np.float32)] * 3)) == 0


def test_no_click_at_either_end() -> None:
    abrupt = np.full(1_000, 0.9, dtype=np.float32)
    speech = fade_out(trimmed([abrupt]), RATE_HZ)
    assert speech[0] == 0.0
    assert speech[-1] == 0.0
    assert np.abs(np.diff(speech)).max() < 0.05
    assert len(fade_out(speech[:0], RATE_HZ)) == 0
