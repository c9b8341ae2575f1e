"""Who is served next, and when it is too much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_local.errors import LaneBusy
from aura_local.fair_queue import FairQueue
from aura_local.ports import Caller, Priority


def caller(tenant_id: str, priority: Priority = Priority.VOICE) -> Caller:
    return Caller(tenant_id, priority)


def drain(queue: FairQueue[str]) -> list[str]:
    served = []
    while (item := queue.pop()) is not None:
        served.append(item)
    return served


def test_one_busy_tenant_does_not_starve_another() -> None:
    queue: FairQueue[str] = FairQueue("test", 10)
    for item in ("a1", "a2", "a3"):
        queue.push(caller("a"), item)
    for item in ("b1", "b2"):
        queue.push(caller("b"), item)
    assert drain(queue) == ["a1", "b1", "a2", "b2", "a3"]


def test_voice_goes_before_chat_and_chat_before_background() -> None:
    queue: FairQueue[str] = FairQueue("test", 10)
    queue.push(caller("a", Priority.BACKGROUND), "background")
    queue.push(caller("a", Priority.CHAT), "chat")
    queue.push(caller("b", Priority.VOICE), "voice")
    assert drain(queue) == ["voice", "chat", "background"]


def test_a_tenant_that_comes_back_queues_behind_the_others() -> None:
    queue: FairQueue[str] = FairQueue("test", 10)
    queue.push(caller("a"), "a1")
    queue.push(caller("b"), "b1")
    assert queue.pop() == "a1"
    queue.push(caller("a"), "a2")
    assert drain(queue) == ["b1", "a2"]


def test_tenants_who_are_passed_over_keep_their_places() -> None:
    queue: FairQueue[str] = FairQueue("test", 10)
    for tenant in ("a", "b", "c"):
        queue.push(caller(tenant), tenant)
    assert queue.pop(passing_over={"a", "b"}) == "c"
    assert queue.pop(passing_over={"a", "b"}) is None
    assert drain(queue) == ["a", "b"]


def test_full_is_full_for_everybody_and_says_how_full() -> None:
    queue: FairQueue[str] = FairQueue("speech to text", 2)
    queue.push(caller("a"), "a1")
    queue.push(caller("a", Priority.CHAT), "a2")
    with pytest.raises(LaneBusy, match="speech to text engine has 2 jobs waiting") as caught:
        queue.push(caller("b"), "b1")
    assert caught.value.retryable
    assert queue.pop() == "a1"
    queue.push(caller("b"), "b1")
    assert len(queue) == 2


def test_what_is_taken_out_is_not_served() -> None:
    queue: FairQueue[str] = FairQueue("test", 10)
    queue.push(caller("a"), "a1")
    queue.push(caller("a"), "a2")
    assert queue.remove(caller("a"), "a1")
    assert not queue.remove(caller("a"), "a1")
    assert not queue.remove(caller("nobody"), "a2")
    assert not queue.remove(caller("a", Priority.CHAT), "a2")
    assert drain(queue) == ["a2"]
    assert not queue.remove(caller("a"), "a2")


pushes = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(Priority))), max_size=30)


@given(pushes, st.lists(st.integers(0, 40), max_size=10))
def test_each_item_is_served_once_and_in_order_within_its_tenant(
    pushed: list[tuple[str, Priority]], taken_out: list[int]
) -> None:
    queue: FairQueue[int] = FairQueue("test", 100)
    for number, (tenant_id, priority) in enumerate(pushed):
        queue.push(caller(tenant_id, priority), number)
    removed = {n for n in taken_out if n < len(pushed) and queue.remove(caller(*pushed[n]), n)}
    assert len(queue) == len(pushed) - len(removed)
    served = []
    while (item := queue.pop()) is not None:
        served.append(item)
    assert sorted([*served, *removed]) == list(range(len(pushed)))
    assert [pushed[n][1] for n in served] == sorted(pushed[n][1] for n in served)
    for key in set(pushed):
        own = [n for n in served if pushed[n] == key]
        assert own == sorted(own)
    assert len(queue) == 0


@given(pushes)
def test_nobody_is_served_twice_while_another_of_the_same_priority_waits(
    pushed: list[tuple[str, Priority]],
) -> None:
    queue: FairQueue[int] = FairQueue("test", 100)
    for number, (tenant_id, priority) in enumerate(pushed):
        queue.push(caller(tenant_id, priority), number)
    left = list(range(len(pushed)))
    previous: tuple[str, Priority] | None = None
    while (item := queue.pop()) is not None:
        left.remove(item)
        rivals = {pushed[n][0] for n in [*left, item] if pushed[n][1] == pushed[item][1]}
        if len(rivals) > 1:
            assert pushed[item] != previous
        previous = pushed[item]
