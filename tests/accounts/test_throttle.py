"""Five failures in a quarter of an hour, per account and per address; then recovery."""

from __future__ import annotations

import pytest

from aura_local.accounts.throttle import Throttle
from aura_local.errors import TooManyRequests
from tests.accounts.world import Clock


def test_the_sixth_attempt_is_refused_until_the_first_is_a_quarter_of_an_hour_old() -> None:
    clock = Clock()
    throttle = Throttle(clock=clock.monotonic)
    for _ in range(5):
        throttle.begin("a@example.org", "10.0.0.1")
        clock.pass_s(10)
    with pytest.raises(TooManyRequests):
        throttle.begin("a@example.org", "10.0.0.2")  # the account is used up
    with pytest.raises(TooManyRequests):
        throttle.begin("b@example.org", "10.0.0.1")  # the address is used up
    for _ in range(5):
        throttle.begin("b@example.org", "10.0.0.2")  # what was refused counted for neither
    clock.pass_s(15 * 60 - 50 - 0.001)
    with pytest.raises(TooManyRequests):
        throttle.begin("a@example.org", "10.0.0.3")
    clock.pass_s(0.001)
    throttle.begin("a@example.org", "10.0.0.3")
    with pytest.raises(TooManyRequests):
        throttle.begin("a@example.org", "10.0.0.3")  # only the first had become old enough


def test_what_succeeds_does_not_count() -> None:
    throttle = Throttle(clock=Clock().monotonic)
    for number in range(20):
        throttle.take_back(throttle.begin(f"{number}@example.org", "10.0.0.1"))
    for number in range(5):
        throttle.begin(f"{number}@example.org", "10.0.0.1")
    with pytest.raises(TooManyRequests):
        throttle.begin("late@example.org", "10.0.0.1")


def test_memory_is_bounded_and_those_tried_last_are_kept() -> None:
    throttle = Throttle(clock=Clock().monotonic, remembered=50)
    for number in range(1_000):
        throttle.begin(f"{number}@example.org" + "x" * 1_000, None)
        if number >= 900 and number % 20 == 0:  # each time soon enough to be kept
            throttle.begin("target@example.org", None)
    assert len(throttle._attempts) == 50
    assert all(len(key) == 32 for key in throttle._attempts)
    with pytest.raises(TooManyRequests):
        throttle.begin("target@example.org", None)


def test_old_attempts_are_forgotten() -> None:
    clock = Clock()
    throttle = Throttle(clock=clock.monotonic)
    attempt = throttle.begin("a@example.org", "10.0.0.1")
    clock.pass_s(15 * 60)
    throttle.begin("a@example.org", "10.0.0.1")
    assert [len(times) for times in throttle._attempts.values()] == [1, 1]
    throttle.take_back(attempt)  # gone already: changes nothing
    assert [len(times) for times in throttle._attempts.values()] == [1, 1]
