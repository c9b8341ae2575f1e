"""The core budget: never more than there is, and the most urgent first."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_local.cores import CoreBudget
from aura_local.ports import Priority

PATIENCE_S = 10.0
"""Only ever waited for by a test that fails."""


def until_waiting(budget: CoreBudget, count: int) -> None:
    """Until so many holders wait; one that queues announces itself to nobody, so it is looked for."""
    for _ in range(1_000_000):
        with budget._changed:
            if len(budget._waiting) >= count:
                return
    raise AssertionError("nobody queued")


def start_waiter(budget: CoreBudget, priority: Priority, name: str, served: list[str]) -> threading.Thread:
    def work() -> None:
        with budget.hold(priority):
            served.append(name)

    before = len(budget._waiting)
    thread = threading.Thread(target=work)
    thread.start()
    until_waiting(budget, before + 1)
    return thread


def test_served_by_priority_then_by_arrival() -> None:
    budget = CoreBudget(1)
    served: list[str] = []
    with budget.hold(Priority.VOICE):
        threads = [
            start_waiter(budget, Priority.BACKGROUND, "background", served),
            start_waiter(budget, Priority.CHAT, "chat 1", served),
            start_waiter(budget, Priority.VOICE, "voice 1", served),
            start_waiter(budget, Priority.CHAT, "chat 2", served),
            start_waiter(budget, Priority.VOICE, "voice 2", served),
        ]
        assert served == []
    for thread in threads:
        thread.join(PATIENCE_S)
    assert served == ["voice 1", "voice 2", "chat 1", "chat 2", "background"]


def test_idle_cores_are_granted_up_to_what_is_asked() -> None:
    budget = CoreBudget(4)
    with budget.hold(Priority.VOICE, most=3) as granted:
        assert granted == 3
        with budget.hold(Priority.BACKGROUND, most=8) as rest:
            assert rest == 1
    with budget.hold(Priority.VOICE, most=8) as granted:
        assert granted == 4


def test_nobody_takes_two_cores_while_somebody_waits() -> None:
    budget = CoreBudget(2)
    grants: list[int] = []
    both_in = threading.Barrier(2)

    def work(priority: Priority) -> None:
        with budget.hold(priority, most=2) as granted:
            grants.append(granted)
            both_in.wait(PATIENCE_S)

    with budget.hold(Priority.VOICE, most=2):
        threads = [threading.Thread(target=work, args=(p,)) for p in (Priority.VOICE, Priority.CHAT)]
        for thread in threads:
            thread.start()
        until_waiting(budget, 2)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert grants == [1, 1]


def test_a_failure_gives_its_cores_back() -> None:
    budget = CoreBudget(2)
    with pytest.raises(ZeroDivisionError), budget.hold(Priority.VOICE, most=2):
        raise ZeroDivisionError
    with budget.hold(Priority.VOICE, most=2) as granted:
        assert granted == 2


def test_a_budget_needs_a_core() -> None:
    with pytest.raises(ValueError, match="at least one core"):
        CoreBudget(0)


@settings(max_examples=15, deadline=None)
@given(
    cores=st.integers(1, 4),
    jobs=st.lists(st.tuples(st.sampled_from(list(Priority)), st.integers(1, 5)), min_size=1, max_size=12),
)
def test_never_more_threads_than_cores(cores: int, jobs: list[tuple[Priority, int]]) -> None:
    budget = CoreBudget(cores)
    lock = threading.Lock()
    busy = peak = 0
    together = threading.Barrier(len(jobs))

    def work(priority: Priority, most: int) -> None:
        nonlocal busy, peak
        together.wait(PATIENCE_S)
        for _ in range(20):
            with budget.hold(priority, most=most) as granted:
                assert 1 <= granted <= most
                with lock:
                    busy += granted
                    peak = max(peak, busy)
                with lock:
                    busy -= granted

    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert busy == 0
    assert 1 <= peak <= cores
    with ExitStack() as stack:
        granted = [stack.enter_context(budget.hold(Priority.VOICE)) for _ in range(cores)]
    assert granted == [1] * cores


def test_it_is_quiet_since_the_last_work_that_somebody_waited_for() -> None:
    now_s = 100.0
    budget = CoreBudget(2, clock=lambda: now_s)
    with budget.hold(Priority.BACKGROUND):
        assert budget.quiet_s > 1e9  # nobody has waited yet
    with budget.hold(Priority.VOICE):
        now_s = 105.0
        assert budget.quiet_s == 0.0
        with budget.hold(Priority.CHAT):
            pass
        assert budget.quiet_s == 0.0
    now_s = 107.5
    with budget.hold(Priority.BACKGROUND):
        assert budget.quiet_s == 2.5


def test_it_is_not_quiet_while_somebody_waits_for_a_core() -> None:
    budget = CoreBudget(1)
    with budget.hold(Priority.BACKGROUND):
        waiter = start_waiter(budget, Priority.CHAT, "chat", [])
        assert budget.quiet_s == 0.0
    waiter.join(PATIENCE_S)


def test_it_tells_how_long_the_oldest_work_has_been_running() -> None:
    now_s = 100.0
    budget = CoreBudget(2, clock=lambda: now_s)
    assert budget.longest_hold_s == 0
    with budget.hold(Priority.VOICE):
        now_s += 5
        with budget.hold(Priority.CHAT):
            now_s += 2
            assert budget.longest_hold_s == 7
    assert budget.longest_hold_s == 0
