"""Turns what voice sessions report into metrics. Layer 4."""

from __future__ import annotations

from aura_local.conversation.events import TurnMetrics
from aura_local.metrics import Metrics


class TurnCounter:
    """The observer of one session."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def turn_over(self, metrics: TurnMetrics, *, cancelled: bool) -> None:
        outcome = "cancelled" if cancelled else "committed"
        self._metrics.turn_finished(outcome, stages_ms=metrics.stages_ms, work=metrics.work)  # type: ignore[arg-type]

    def turn_failed(self, code: str) -> None:
        self._metrics.turn_finished("failed")
