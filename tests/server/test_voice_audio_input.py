"""Counting, deduplicating and pacing what a client says."""

from __future__ import annotations

import numpy as np
import pytest
from aura_server.audio_input import AudioInput
from aura_server.pace import Pace

from aura_local.errors import ProtocolViolation
from aura_local.ports import Samples
from tests.server.fake_clock import FakeClock


def numbered(first: int, end: int) -> bytes:
    return bytes(np.arange(first, end).astype("<i2").tobytes())


def values(samples: Samples) -> list[int]:
    return [int(value) for value in samples * 32768]


def test_what_comes_again_is_dropped_by_position() -> None:
    audio = AudioInput(16_000, catch_up_s=30, clock=FakeClock())
    assert values(audio.accept(numbered(0, 100))) == list(range(100))
    audio.continue_from(40)
    assert values(audio.accept(numbered(40, 80))) == []
    assert values(audio.accept(numbered(80, 130))) == list(range(100, 130))
    assert audio.accepted_samples == 130


def test_without_a_position_it_goes_on_where_it_stopped() -> None:
    audio = AudioInput(16_000, catch_up_s=30, clock=FakeClock())
    audio.accept(numbered(0, 100))
    audio.continue_from(None)
    assert values(audio.accept(numbered(100, 120))) == list(range(100, 120))
    assert audio.accepted_samples == 120


def test_a_gap_is_silence_and_one_longer_than_an_absence_is_refused() -> None:
    audio = AudioInput(8_000, catch_up_s=1, clock=FakeClock())
    audio.continue_from(8_000 * 6)
    with pytest.raises(ProtocolViolation):
        audio.continue_from(8_000 * 6 + 1)
    heard = len(audio.accept(numbered(0, 80))) + len(audio.finish())
    assert heard == (8_000 * 6 + 80) * 2
    assert audio.accepted_samples == 8_000 * 6 + 80


def test_half_a_sample_is_refused_and_nothing_of_it_counts() -> None:
    audio = AudioInput(16_000, catch_up_s=30, clock=FakeClock())
    with pytest.raises(ProtocolViolation):
        audio.accept(b"\0\0\0")
    assert audio.accepted_samples == 0


def test_the_resampler_keeps_its_state_over_a_dropped_connection() -> None:
    wave = (np.sin(np.arange(4_800) * 0.02) * 9_000).astype("<i2").tobytes()
    whole, cut = (AudioInput(48_000, catch_up_s=30, clock=FakeClock()) for _ in range(2))
    expected = np.concatenate([whole.accept(wave), whole.finish()])
    pieces = [cut.accept(wave[:3_000])]
    cut.continue_from(1_000)
    pieces += [cut.accept(wave[2_000:]), cut.finish()]
    assert np.concatenate(pieces) == pytest.approx(expected, abs=1e-6)
    assert len(expected) == 1_600


def test_five_seconds_at_once_then_a_quarter_more_than_real_time() -> None:
    clock = FakeClock()
    audio = AudioInput(8_000, catch_up_s=30, clock=clock)
    audio.accept(bytes(5 * 16_000))
    with pytest.raises(ProtocolViolation) as refused:
        audio.accept(bytes(2))
    assert refused.value.code == "audio_too_fast"
    for _ in range(100):
        clock.now_s += 1.0
        audio.accept(bytes(20_000))  # 1.25 s
    with pytest.raises(ProtocolViolation):
        audio.accept(bytes(2))


def test_what_was_kept_during_an_absence_may_come_all_at_once() -> None:
    audio = AudioInput(8_000, catch_up_s=30, clock=FakeClock())
    audio.accept(bytes(5 * 16_000))
    audio.continue_from(None)
    audio.accept(bytes(35 * 16_000))


def test_a_pace_never_saves_up_more_than_its_most() -> None:
    clock = FakeClock()
    pace = Pace(per_second=100, initial_s=5, most_s=10, clock=clock)
    assert pace.spend(500)
    assert not pace.spend(1)
    clock.now_s += 3600
    assert not pace.spend(1001)
    assert pace.spend(1000)
