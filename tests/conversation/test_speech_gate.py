"""Thresholds, hysteresis and edges, in samples."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from aura_local.conversation.speech_gate import (
    GateEvent,
    GateSettings,
    SpeechGate,
    SpeechPaused,
    SpeechStarted,
    SpeechSustained,
)
from aura_local.ports import FRAME_SAMPLES


def run(probabilities: Sequence[float], settings: GateSettings | None = None) -> list[GateEvent]:
    gate = SpeechGate(settings)
    events: list[GateEvent] = []
    for place, probability in enumerate(probabilities):
        events += gate.hear(place * FRAME_SAMPLES, probability)
    return events


def frames(count: int) -> int:
    return count * FRAME_SAMPLES


def test_edges_are_where_speech_begins_and_ends() -> None:
    events = run([0.0] * 5 + [0.9] * 10 + [0.0] * 5)
    assert events == [
        SpeechStarted(frames(5)),
        SpeechSustained(frames(5)),
        SpeechPaused(frames(15), frames(10)),
    ]


def test_one_loud_frame_opens_nothing() -> None:
    assert run([0.0, 1.0, 0.0, 1.0, 0.0, 0.49, 0.49, 0.49]) == []


def test_the_start_threshold_itself_counts() -> None:
    assert run([0.5, 0.5]) == [SpeechStarted(0)]


def test_a_level_between_the_thresholds_keeps_the_gate_open_but_does_not_open_it() -> None:
    assert run([0.4] * 20) == []
    assert run([0.9, 0.9] + [0.35] * 20) == [SpeechStarted(0), SpeechSustained(0)]
    assert run([0.9, 0.9] + [0.34] * 3) == [SpeechStarted(0), SpeechPaused(frames(2), frames(2))]


def test_two_silent_frames_are_no_pause() -> None:
    events = run([0.9] * 4 + [0.0, 0.0] + [0.9] * 4 + [0.0] * 3)
    assert events == [SpeechStarted(0), SpeechSustained(0), SpeechPaused(frames(10), frames(8))]


def test_sustained_comes_with_the_frame_that_completes_it() -> None:
    gate = SpeechGate(GateSettings(sustained_ms=200))
    told = [place for place in range(12) if SpeechSustained(0) in gate.hear(frames(place), 1.0)]
    # 200 ms are 3,200 samples: the seventh frame reaches 3,584.
    assert told == [6]


def test_a_click_is_not_sustained() -> None:
    assert run([0.9] * 6 + [0.0] * 3) == [SpeechStarted(0), SpeechPaused(frames(6), frames(6))]


def test_each_stretch_of_speech_is_sustained_for_itself() -> None:
    events = run(([0.9] * 8 + [0.0] * 3) * 2)
    assert [type(event) for event in events] == [SpeechStarted, SpeechSustained, SpeechPaused] * 2
    assert events[4] == SpeechSustained(frames(11))


def test_quiet_until_a_frame_hints_at_speech() -> None:
    gate = SpeechGate()
    quiet = []
    for place, probability in enumerate([0.0, 0.9, 0.9, 0.0, 0.0, 0.0, 0.9, 0.0]):
        gate.hear(frames(place), probability)
        quiet.append(gate.quiet)
    assert quiet == [True, False, False, False, False, True, False, True]


@given(st.lists(st.floats(0.0, 1.0), max_size=120))
def test_started_and_paused_alternate(probabilities: list[float]) -> None:
    events = run(probabilities)
    edges = [event for event in events if not isinstance(event, SpeechSustained)]
    for place, event in enumerate(edges):
        assert isinstance(event, SpeechStarted if place % 2 == 0 else SpeechPaused)
    positions = [event.sample for event in edges]
    assert positions == sorted(positions)
    for start, pause in zip(edges[::2], edges[1::2], strict=False):
        assert isinstance(pause, SpeechPaused)
        assert 0 < pause.speech_samples <= pause.sample - start.sample


@given(st.lists(st.floats(0.0, 1.0), max_size=120))
def test_sustained_comes_at_most_once_between_the_edges(probabilities: list[float]) -> None:
    since_start = None
    for event in run(probabilities):
        match event:
            case SpeechStarted():
                since_start = 0
            case SpeechPaused():
                since_start = None
            case SpeechSustained():
                assert since_start == 0
                since_start = 1
