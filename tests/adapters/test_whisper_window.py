"""The window that is fitted to an utterance, and what makes a transcript doubtful."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_local.adapters.whisper_window import (
    FULL_FRAMES,
    LEAST_FRAMES,
    MOST_NEW_TOKENS,
    TAIL_FRAMES,
    fit,
    fitted_frames,
    loops,
    most_new_tokens,
)


@given(st.integers(0, 6_000))
def test_window_holds_the_speech_and_its_tail(speech_frames: int) -> None:
    frames = fitted_frames(speech_frames)
    assert frames % 2 == 0
    assert LEAST_FRAMES <= frames <= FULL_FRAMES
    assert frames >= min(speech_frames + TAIL_FRAMES, FULL_FRAMES)
    assert frames <= max(LEAST_FRAMES, speech_frames + TAIL_FRAMES + 1)


def test_fit_pads_with_zeros_behind_the_speech() -> None:
    fitted = fit(np.ones((80, 10), dtype=np.float32), 12)
    assert fitted.shape == (1, 80, 12)
    assert fitted.dtype == np.float32
    assert fitted.flags.c_contiguous
    assert fitted[0, :, :10].min() == 1.0
    assert fitted[0, :, 10:].max() == 0.0
    assert fit(np.ones((80, 10), dtype=np.float32), 4).shape == (1, 80, 4)


@pytest.mark.parametrize(
    "tokens", [[1, 2, 2, 2], [5, 1, 2, 1, 2, 1, 2], [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]]
)
def test_three_repeats_at_the_end_are_a_loop(tokens: list[int]) -> None:
    assert loops(tokens)


@pytest.mark.parametrize("tokens", [[], [1], [1, 1], [1, 1, 1, 2], [1, 2, 1, 2], [1, 2, 1, 2, 3]])
def test_other_repeats_are_not(tokens: list[int]) -> None:
    assert not loops(tokens)


def test_decoding_is_bounded_by_the_length_of_the_speech() -> None:
    assert most_new_tokens(0.1) == 10
    assert most_new_tokens(2.0) == 40
    assert most_new_tokens(60.0) == MOST_NEW_TOKENS
