"""Frames know their place, and PCM survives the way there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_local.audio.frame import Frame, Framer, from_pcm16, to_pcm16
from aura_local.ports import FRAME_SAMPLES


@given(st.lists(st.integers(0, 2_000), max_size=20))
def test_however_it_is_cut_the_audio_is_the_same(lengths: list[int]) -> None:
    stream = np.arange(sum(lengths), dtype=np.float32)
    framer = Framer()
    frames: list[Frame] = []
    position = 0
    for length in lengths:
        frames += framer.push(stream[position : position + length])
        position += length
        assert framer.received_samples == position
    assert [frame.first_sample for frame in frames] == [n * FRAME_SAMPLES for n in range(len(frames))]
    assert all(frame.samples.shape == (FRAME_SAMPLES,) for frame in frames)
    assert len(frames) == len(stream) // FRAME_SAMPLES
    if frames:
        heard = np.concatenate([frame.samples for frame in frames])
        np.testing.assert_array_equal(heard, stream[: len(heard)])


def test_the_rest_is_a_copy() -> None:
    """The caller may use its buffer again."""
    framer = Framer()
    piece = np.ones(100, dtype=np.float32)
    assert list(framer.push(piece)) == []
    piece[:] = 9.0
    (frame,) = framer.push(np.zeros(FRAME_SAMPLES - 100, dtype=np.float32))
    assert frame.samples[:100].tolist() == [1.0] * 100


def test_a_frame_ends_where_the_next_begins() -> None:
    first, second = Framer().push(np.zeros(2 * FRAME_SAMPLES, dtype=np.float32))
    assert first.end_sample == second.first_sample == FRAME_SAMPLES


def test_every_pcm_value_survives_the_round_trip() -> None:
    data = np.arange(-32768, 32768, dtype="<i2").tobytes()
    samples = from_pcm16(data)
    assert samples.dtype == np.float32
    assert samples.min() == -1.0
    assert samples.max() < 1.0
    assert to_pcm16(samples) == data


def test_too_loud_is_clipped_and_never_wraps() -> None:
    loud = np.array([1.0, 2.0, -1.0, -2.0, 1e9], dtype=np.float32)
    assert np.frombuffer(to_pcm16(loud), "<i2").tolist() == [32767, 32767, -32768, -32768, 32767]


def test_nothing_is_nothing() -> None:
    assert len(from_pcm16(b"")) == 0
    assert to_pcm16(np.zeros(0, dtype=np.float32)) == b""


def test_half_a_sample_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="multiple of element size"):
        from_pcm16(b"\x00\x01\x02")
