"""What was played stays lined up with what is recorded, whatever blocks the devices use."""

from __future__ import annotations

import numpy as np

from aura_local.audio.played_reference import MARGIN_SAMPLES, PlayedReference
from aura_local.ports import SPEECH_RATE_HZ, Samples


def ramp(first: int, end: int) -> Samples:
    return np.arange(first, end, dtype=np.float32)


def test_blocks_of_two_sizes_are_matched_by_count() -> None:
    reference = PlayedReference(SPEECH_RATE_HZ)
    reference.push(ramp(0, 700))
    np.testing.assert_array_equal(reference.take(512), ramp(0, 512))
    reference.push(ramp(700, 1400))
    np.testing.assert_array_equal(reference.take(512), ramp(512, 1024))


def test_where_the_loudspeaker_paused_there_is_silence_and_nothing_is_skipped() -> None:
    reference = PlayedReference(SPEECH_RATE_HZ)
    reference.push(ramp(0, 400))
    late = reference.take(512)
    np.testing.assert_array_equal(late[:400], ramp(0, 400))
    assert not late[400:].any()
    reference.push(ramp(400, 1200))
    np.testing.assert_array_equal(reference.take(512), ramp(400, 912))


def test_a_reserve_that_is_never_needed_is_dropped_after_a_second() -> None:
    reference = PlayedReference(SPEECH_RATE_HZ)
    reference.push(ramp(0, 2000))
    for first in range(2000, 2000 + 2 * SPEECH_RATE_HZ, 160):
        reference.push(ramp(first, first + 160))
        taken = reference.take(160)
    assert first + 160 - taken[-1] - 1 == MARGIN_SAMPLES


def test_what_nobody_takes_is_bounded_and_the_newest_is_kept() -> None:
    reference = PlayedReference(SPEECH_RATE_HZ)
    for first in range(0, 100 * 1600, 1600):
        reference.push(ramp(first, first + 1600))
    np.testing.assert_array_equal(reference.take(512), ramp(100 * 1600 - 512, 100 * 1600))


def test_the_devices_rate_becomes_that_of_speech() -> None:
    reference = PlayedReference(48_000)
    tone = np.sin(np.arange(24_000) * (2 * np.pi * 440 / 48_000)).astype(np.float32)
    pieces = []
    for first in range(0, 24_000, 480):
        reference.push(tone[first : first + 480])
        pieces.append(reference.take(160))
    heard = np.concatenate(pieces)
    assert len(heard) == 8_000
    assert np.abs(np.fft.rfft(heard)).argmax() * SPEECH_RATE_HZ / len(heard) == 440
