"""A steady rate, a full bucket after a pause, and never more."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from aura_local.metering.request_rate import RequestRate


def taken(rate: RequestRate, per_minute: int, at_s: float, tries: int = 1_000) -> int:
    return sum(rate.take(per_minute, at_s) == 0 for _ in range(tries))


def test_exactly_n_at_once_and_then_one_at_a_time() -> None:
    rate = RequestRate()
    assert taken(rate, 60, 1_000.0) == 60
    assert rate.take(60, 1_000.5) == 0.5
    assert taken(rate, 60, 1_001.0) == 1
    assert taken(rate, 60, 1_031.0) == 30
    assert taken(rate, 60, 9_999.0) == 60


def test_there_is_no_edge_where_twice_as_much_passes() -> None:
    rate = RequestRate()
    assert taken(rate, 60, 59.9) == 60
    assert taken(rate, 60, 60.1) == 0


def test_a_rate_of_zero_lets_nothing_through() -> None:
    rate = RequestRate()
    assert rate.take(0, 0.0) == rate.take(0, 1e9) == math.inf


def test_another_tier_counts_from_the_next_request_on() -> None:
    rate = RequestRate()
    assert taken(rate, 600, 0.0) == 600
    assert taken(rate, 60, 3_600.0) == 60
    assert rate.take(600, 3_600.0) > 0


def test_a_clock_that_stands_or_goes_back_gives_nothing_away() -> None:
    rate = RequestRate()
    assert taken(rate, 60, 100.0) == 60
    assert taken(rate, 60, 50.0) == 0
    assert taken(rate, 60, 51.0) == 1


@given(st.integers(1, 120), st.lists(st.floats(0, 30), min_size=1, max_size=60))
def test_in_any_time_no_more_than_a_bucket_and_the_rate(per_minute: int, pauses_s: list[float]) -> None:
    rate = RequestRate()
    at_s = passed = 0.0
    for pause_s in pauses_s:
        at_s += pause_s
        wait_s = rate.take(per_minute, at_s)
        passed += wait_s == 0
        assert wait_s <= 60 / per_minute
        assert passed <= per_minute + at_s * per_minute / 60 + 1e-3
    assert rate.take(per_minute, at_s + 60) == 0
