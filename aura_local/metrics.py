"""What is counted, in a registry of its own, for `GET /metrics`. Layer 0.

Labels are few and fixed: the route's template rather than its path, never the name or id of a tenant, a
document or a session. Whoever can read the metrics learns how much is done, not for whom.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

TurnOutcome = Literal["committed", "cancelled", "failed"]
DocumentOutcome = Literal["received", "indexed", "failed", "deleted"]
ExchangeOutcome = Literal["taken", "refused"]

TOKEN_KINDS: Final = {
    "prompt_tokens_evaluated": "evaluated",
    "prompt_tokens_reused": "reused",
    "generated_tokens": "generated",
    "wasted_tokens": "wasted",
}
"""Names in `TurnMetrics.work` and the label of each."""

LATENCY_BUCKETS_S: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class Metrics:
    """All instruments of one process. Cheap and safe to call from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.http_requests = Counter(
            "aura_http_requests",
            "Requests answered, by method, route template and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.http_seconds = Histogram(
            "aura_http_seconds",
            "Time from a request's headers to the end of its answer.",
            ("route",),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.voice_sessions = Counter(
            "aura_voice_sessions", "Voice sessions begun, resumed ones once.", registry=self.registry
        )
        self.voice_sessions_open = Gauge(
            "aura_voice_sessions_open", "Voice sessions that are open.", registry=self.registry
        )
        self.turns = Counter("aura_turns", "Turns ended, by outcome.", ("outcome",), registry=self.registry)
        self.first_audio_seconds = Histogram(
            "aura_first_audio_seconds",
            "Time from the last speech sample to the first audio of the reply.",
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "aura_stage_seconds",
            "Time from the last speech sample to the end of each stage.",
            ("stage",),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.tokens = Counter(
            "aura_tokens", "Language model tokens, by what became of them.", ("kind",), registry=self.registry
        )
        self.encoder_frames = Counter(
            "aura_encoder_frames", "Speech frames (10 ms) through the recogniser.", registry=self.registry
        )
        self.documents = Counter(
            "aura_documents", "Documents, by what became of them.", ("status",), registry=self.registry
        )
        self.model_exchanges = Counter(
            "aura_model_exchanges",
            "Models exchanged while the server ran, by job and outcome.",
            ("job", "outcome"),
            registry=self.registry,
        )
        self.lane_waiting = Gauge(
            "aura_lane_waiting", "Jobs waiting for an engine.", ("lane",), registry=self.registry
        )
        self.egress_denied = Gauge(
            "aura_egress_denied", "Connections to other machines that were refused.", registry=self.registry
        )
        self.tasks = Gauge(
            "aura_tasks", "Tasks that are alive; idle, always as many.", registry=self.registry
        )
        self.pool_threads = Gauge(
            "aura_pool_threads",
            "Threads that blocking calls run on; at most 40, given up after 10 s without work.",
            registry=self.registry,
        )
        self.pool_threads.set_function(_pool_threads)

    def request_finished(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is the template (`/api/documents/{document_id}`), never the path."""
        self.http_requests.labels(method, route, str(status)).inc()
        self.http_seconds.labels(route).observe(seconds)

    def session_opened(self) -> None:
        self.voice_sessions.inc()
        self.voice_sessions_open.inc()

    def session_closed(self) -> None:
        self.voice_sessions_open.dec()

    def turn_finished(
        self,
        outcome: TurnOutcome,
        *,
        stages_ms: Mapping[str, float] | None = None,
        work: Mapping[str, int] | None = None,
    ) -> None:
        """`stages_ms` and `work` as in `TurnMetrics`."""
        self.turns.labels(outcome).inc()
        for stage, milliseconds in (stages_ms or {}).items():
            self.stage_seconds.labels(stage).observe(milliseconds / 1000)
            if stage == "first_audio":
                self.first_audio_seconds.observe(milliseconds / 1000)
        self.work_done(work or {})

    def work_done(self, work: Mapping[str, int]) -> None:
        """Count work that belongs to no turn, too: typed questions, documents."""
        for name, kind in TOKEN_KINDS.items():
            self.tokens.labels(kind).inc(work.get(name, 0))
        self.encoder_frames.inc(work.get("encoder_frames", 0))

    def document_finished(self, status: DocumentOutcome) -> None:
        self.documents.labels(status).inc()

    def model_exchanged(self, job: str, outcome: ExchangeOutcome) -> None:
        self.model_exchanges.labels(job, outcome).inc()

    def watch_lane(self, name: str, waiting: Callable[[], int]) -> None:
        """Report the length of a lane's queue, asked for at each `render`."""
        self.lane_waiting.labels(name).set_function(waiting)

    def watch_egress(self, denied: Callable[[], int]) -> None:
        """Report refused connections, asked for at each `render`."""
        self.egress_denied.set_function(denied)

    def watch_tasks(self, alive: Callable[[], int]) -> None:
        """Report tasks of the event loop, asked for at each `render`, which then runs in that loop."""
        self.tasks.set_function(alive)

    def render(self) -> bytes:
        """The text format that Prometheus scrapes, of type `CONTENT_TYPE`."""
        return generate_latest(self.registry)


def _pool_threads() -> int:
    return sum(thread.name == "AnyIO worker thread" for thread in threading.enumerate())
