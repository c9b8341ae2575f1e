"""The echo is taken out, and what somebody says over it stays in."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from aura_local.audio.echo_cancellation import (
    BLOCK_SAMPLES,
    RESIDUAL_GAIN,
    ResidualGate,
    open_echo_canceller,
)
from aura_local.ports import SPEECH_RATE_HZ, Samples

DELAY_SAMPLES = SPEECH_RATE_HZ // 10


def loudness(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples)) + 1e-12))


def bursts(seconds: float, seed: int) -> Samples:
    """Noise that comes and goes four times a second, as syllables do."""
    count = int(seconds * SPEECH_RATE_HZ)
    rhythm = np.clip(np.sin(np.arange(count) * (2 * np.pi * 4 / SPEECH_RATE_HZ)), 0, 1)
    noise = np.random.default_rng(seed).normal(0.0, 0.1, count)
    return np.asarray(noise * rhythm, np.float32)


def cleaned(recorded: Samples, played: Samples) -> Samples:
    canceller = open_echo_canceller()
    assert canceller is not None
    return np.concatenate(
        [
            canceller.cancel(recorded[first : first + 512], played[first : first + 512])
            for first in range(0, len(recorded), 512)
        ]
    )


def echo_of(played: Samples) -> Samples:
    late = np.concatenate([np.zeros(DELAY_SAMPLES, np.float32), played])[: len(played)]
    return (late * 0.5).astype(np.float32)


def test_an_echo_is_taken_out_and_nothing_gets_lost() -> None:
    played = bursts(3.0, seed=1)
    echo = echo_of(played)
    left = cleaned(echo, played)
    assert len(echo) - BLOCK_SAMPLES < len(left) <= len(echo)
    second = slice(SPEECH_RATE_HZ, None)
    assert loudness(echo[second]) - loudness(left[second]) > 40


def test_what_is_said_over_an_echo_is_heard() -> None:
    played, said = bursts(3.0, seed=1), bursts(3.0, seed=2)
    said[: SPEECH_RATE_HZ * 2] = 0
    left = cleaned(echo_of(played) + said, played)
    third = slice(SPEECH_RATE_HZ * 2, SPEECH_RATE_HZ * 3)
    assert loudness(said[third]) - loudness(left[third]) < 6


def test_the_gate_silences_the_rest_of_an_echo_alone() -> None:
    loud, soft = np.full(BLOCK_SAMPLES, 0.1, np.float32), np.full(BLOCK_SAMPLES, 0.01, np.float32)
    half = np.full(BLOCK_SAMPLES, 0.05, np.float32)
    silence = np.zeros(BLOCK_SAMPLES, np.float32)
    np.testing.assert_allclose(ResidualGate().pass_on(loud, loud, soft), soft * RESIDUAL_GAIN)
    np.testing.assert_array_equal(ResidualGate().pass_on(loud, loud, half), half)
    np.testing.assert_array_equal(ResidualGate().pass_on(loud, silence, soft), soft)


def test_without_the_package_there_is_no_canceller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pywebrtc_audio", None)
    assert open_echo_canceller() is None
