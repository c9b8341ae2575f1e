"""Cutting a recording at its pauses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aura_local.commands.utterances import (
    LONGEST_SAMPLES,
    PAUSE_SAMPLES,
    Utterance,
    cut_utterances,
    with_surroundings,
)
from aura_local.ports import FRAME_SAMPLES, SPEECH_RATE_HZ


def frames(seconds: float) -> int:
    return round(seconds * SPEECH_RATE_HZ / FRAME_SAMPLES)


def speech(seconds: float, level: float = 0.9) -> list[float]:
    return [level] * frames(seconds)


def silence(seconds: float) -> list[float]:
    return [0.01] * frames(seconds)


def test_silence_holds_no_utterance() -> None:
    assert cut_utterances([]) == []
    assert cut_utterances(silence(5)) == []


def test_a_long_pause_separates_and_a_short_one_does_not() -> None:
    together = cut_utterances(speech(1) + silence(0.2) + speech(1))
    apart = cut_utterances(speech(1) + silence(0.6) + speech(1))
    assert together == [Utterance(0, frames(1) * 2 * FRAME_SAMPLES + frames(0.2) * FRAME_SAMPLES)]
    assert len(apart) == 2
    assert apart[1].first_sample - apart[0].end_sample >= PAUSE_SAMPLES


def test_speech_up_to_the_end_of_the_recording_is_kept() -> None:
    (utterance,) = cut_utterances(silence(1) + speech(2))
    assert utterance.end_sample == (frames(1) + frames(2)) * FRAME_SAMPLES


def test_speech_without_a_pause_is_cut_at_its_quietest_frame() -> None:
    probabilities = [*speech(25), 0.6, *speech(20)]
    first, second = cut_utterances(probabilities)
    assert first.end_sample == second.first_sample == frames(25) * FRAME_SAMPLES


def test_the_surroundings_never_overlap() -> None:
    tight = [Utterance(1000, 8000), Utterance(8100, 9000)]
    assert with_surroundings(tight, 9200) == [Utterance(0, 8100), Utterance(8100, 9200)]


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 900)), max_size=12))
def test_utterances_are_in_order_short_enough_and_inside(runs: list[tuple[float, int]]) -> None:
    probabilities = [level for level, count in runs for _ in range(count)]
    utterances = with_surroundings(cut_utterances(probabilities), len(probabilities) * FRAME_SAMPLES)
    end = 0
    for utterance in utterances:
        assert end <= utterance.first_sample < utterance.end_sample
        assert utterance.end_sample - utterance.first_sample <= LONGEST_SAMPLES + SPEECH_RATE_HZ
        end = utterance.end_sample
    assert end <= len(probabilities) * FRAME_SAMPLES
