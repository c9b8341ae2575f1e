from __future__ import annotations

import re

import anyio.to_thread
import pytest

from aura_local.metrics import TOKEN_KINDS, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_turn_is_counted_with_its_stages_and_its_work() -> None:
    metrics = Metrics()
    metrics.turn_finished(
        "committed",
        stages_ms={"transcribed": 120.0, "first_audio": 450.0},
        work={"prompt_tokens_evaluated": 30, "wasted_tokens": 4, "encoder_frames": 900},
    )
    metrics.turn_finished("cancelled")

    assert value(metrics, "aura_turns_total", outcome="committed") == 1
    assert value(metrics, "aura_turns_total", outcome="cancelled") == 1
    assert value(metrics, "aura_first_audio_seconds_sum") == pytest.approx(0.45)
    assert value(metrics, "aura_stage_seconds_sum", stage="transcribed") == pytest.approx(0.12)
    assert value(metrics, "aura_tokens_total", kind="evaluated") == 30
    assert value(metrics, "aura_tokens_total", kind="wasted") == 4
    assert value(metrics, "aura_encoder_frames_total") == 900


def test_sessions_open_and_close() -> None:
    metrics = Metrics()
    metrics.session_opened()
    metrics.session_opened()
    metrics.session_closed()
    assert value(metrics, "aura_voice_sessions_total") == 2
    assert value(metrics, "aura_voice_sessions_open") == 1


def test_queues_and_refused_connections_are_read_at_each_scrape() -> None:
    metrics = Metrics()
    waiting = [3]
    metrics.watch_lane("speech to text", lambda: waiting[0])
    metrics.watch_egress(lambda: waiting[0] + 1)
    assert b'aura_lane_waiting{lane="speech to text"} 3.0' in metrics.render()
    waiting[0] = 0
    assert b'aura_lane_waiting{lane="speech to text"} 0.0' in metrics.render()
    assert b"aura_egress_denied 1.0" in metrics.render()


def test_two_registries_share_nothing() -> None:
    """Two engines in one process, as in the tests, must not count for each other."""
    one, two = Metrics(), Metrics()
    one.request_finished("GET", "/health", 200, 0.001)
    assert b'aura_http_requests_total{method="GET",route="/health",status="200"} 1.0' in one.render()
    assert b"aura_http_requests_total{" not in two.render()


def test_no_label_could_name_a_tenant() -> None:
    labels = {
        label
        for family in Metrics().registry._collector_to_names
        for label in getattr(family, "_labelnames", ())
    }
    assert labels == {"method", "route", "status", "outcome", "stage", "kind", "lane", "job"}
    assert set(TOKEN_KINDS.values()) == {"evaluated", "reused", "generated", "wasted"}


@pytest.mark.anyio
async def test_threads_of_the_pool_are_counted() -> None:
    during = await anyio.to_thread.run_sync(Metrics().render)
    assert re.search(rb"^aura_pool_threads [1-9]", during, re.MULTILINE)


def test_tasks_are_counted_at_each_scrape() -> None:
    metrics = Metrics()
    alive = [3]
    metrics.watch_tasks(lambda: alive[0])
    assert b"aura_tasks 3.0" in metrics.render()
    alive[0] = 5
    assert b"aura_tasks 5.0" in metrics.render()
