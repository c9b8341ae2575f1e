"""Milliseconds from the last speech sample to the end of each stage."""

from __future__ import annotations

from aura_local.conversation.stopwatch import Stopwatch


def test_stages_count_from_the_last_speech_sample() -> None:
    times = iter([10.2, 10.5004])
    stopwatch = Stopwatch(lambda: next(times), origin_s=10.0)
    stopwatch.mark("transcribed")
    stopwatch.mark("retrieved")
    assert stopwatch.stages_ms == {"transcribed": 200.0, "retrieved": 500.4}


def test_a_typed_question_counts_from_now() -> None:
    times = iter([5.0, 5.25])
    stopwatch = Stopwatch(lambda: next(times))
    stopwatch.mark("retrieved")
    assert stopwatch.stages_ms == {"retrieved": 250.0}


def test_the_first_mark_of_a_stage_counts() -> None:
    times = iter([1.0, 9.0])
    stopwatch = Stopwatch(lambda: next(times), origin_s=0.0)
    stopwatch.mark("first_text")
    stopwatch.mark("first_text")
    assert stopwatch.stages_ms == {"first_text": 1000.0}
    assert list(times) == [9.0]


def test_what_is_read_is_a_copy() -> None:
    stopwatch = Stopwatch(lambda: 1.0, origin_s=0.0)
    before = stopwatch.stages_ms
    stopwatch.mark("committed")
    assert before == {}
