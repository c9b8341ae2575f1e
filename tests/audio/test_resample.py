"""Sample-rate conversion keeps length, pitch and loudness."""

from __future__ import annotations

import numpy as np
import pytest

from aura_local.audio.resample import StreamResampler, resample
from aura_local.ports import Samples

RATES = [(8_000, 16_000), (48_000, 16_000), (44_100, 16_000), (22_050, 24_000), (16_000, 48_000)]


def tone(rate_hz: int, *, seconds: float = 1.0, pitch_hz: float = 440.0) -> Samples:
    samples: Samples = 0.5 * np.sin(np.arange(int(rate_hz * seconds)) * (2 * np.pi * pitch_hz / rate_hz))
    return samples.astype(np.float32)


def loudest_hz(samples: Samples, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


@pytest.mark.parametrize(("source_hz", "target_hz"), RATES)
def test_a_tone_stays_the_tone(source_hz: int, target_hz: int) -> None:
    converted = resample(tone(source_hz), source_hz, target_hz)
    assert converted.dtype == np.float32
    assert abs(len(converted) - target_hz) <= 1
    assert abs(loudest_hz(converted, target_hz) - 440.0) < 2.0
    middle = converted[target_hz // 4 : -target_hz // 4]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize(("source_hz", "target_hz"), RATES)
@pytest.mark.parametrize("piece_samples", [160, 441, 5_000])
def test_a_stream_loses_and_invents_nothing(source_hz: int, target_hz: int, piece_samples: int) -> None:
    stream = StreamResampler(source_hz, target_hz)
    source = tone(source_hz)
    pieces = [stream.push(source[at : at + piece_samples]) for at in range(0, len(source), piece_samples)]
    converted = np.concatenate([*pieces, stream.finish()])
    assert abs(len(converted) - target_hz) <= 2
    assert abs(loudest_hz(converted, target_hz) - 440.0) < 2.0
    # No clicks where the pieces meet: a tone has no steps larger than its steepest slope.
    steepest = 0.5 * 2 * np.pi * 440.0 / target_hz
    inner = converted[target_hz // 100 : -target_hz // 100]
    assert np.max(np.abs(np.diff(inner))) < steepest * 1.05


def test_what_the_lower_rate_cannot_hold_is_left_out() -> None:
    """A tone above half the target rate would come back as another tone."""
    converted = resample(tone(48_000, pitch_hz=11_000.0), 48_000, 16_000)
    assert np.max(np.abs(converted[1_000:-1_000])) < 0.01


def test_equal_rates_pass_through() -> None:
    samples = tone(16_000, seconds=0.1)
    stream = StreamResampler(16_000, 16_000)
    assert stream.push(samples) is samples
    assert len(stream.finish()) == 0
    assert resample(samples, 16_000, 16_000) is samples


def test_nothing_is_nothing() -> None:
    empty = np.zeros(0, dtype=np.float32)
    assert len(resample(empty, 8_000, 16_000)) == 0
    stream = StreamResampler(8_000, 16_000)
    assert len(stream.push(empty)) == 0
    assert len(stream.finish()) == 0
