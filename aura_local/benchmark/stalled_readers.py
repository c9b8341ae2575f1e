"""Good conversations beside visitors who have stopped reading: the good ones must not notice. Layer 4.

Every round is run twice, without the stalled and with them, the same questions in the same voices; which
of the two comes first alternates, so that a machine that slows down slows down both.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

import anyio

from aura_local.benchmark.frame_fuzz import greets
from aura_local.benchmark.labelled_speech import Utterance, UtteranceMaker, open_speaker
from aura_local.benchmark.process_figures import MB, Held, look_at
from aura_local.benchmark.server_calls import ask_typed, read_metrics
from aura_local.benchmark.server_process import RunningServer, run_server
from aura_local.benchmark.stalled_visitor import StalledVisitor
from aura_local.benchmark.voice_client import VoiceClient, open_client
from aura_local.ports import SPEECH_RATE_HZ

GONE_WITHIN_S: Final = 15.0
SLOWER_SHARE: Final = 0.2
NEW_CLIENT_WITHIN_S: Final = 1.0
GROWTH_MB: Final = 100.0
REPLY_WITHIN_S: Final = 30.0
SETTLED_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.25
STALLING_AT_ONCE: Final = 16
STALLED_QUESTION: Final = "What is the capital of France?"
"""No document answers it, so it costs little more than a spoken sentence: what is measured is the stalling,
not the work of answering. The run says so where a document does answer it."""
DESCRIPTOR_SLACK: Final = 4
"""Connections of the very requests that ask for figures."""
SETTINGS: Final = {
    "AURA_LIMITS__RESUME_S": "0.5",
    "AURA_LIMITS__DISK_RESERVE_BYTES": "0",
    "AURA_LIMITS__SESSIONS": "300",
    "AURA_LIMITS__SESSIONS_PER_TENANT": "300",
    "AURA_LIMITS__SESSIONS_PER_ADDRESS": "300",
}


@dataclass(slots=True)
class StalledReport:
    """What came of it."""

    stalled: int
    good: int
    rounds: int
    at_once: int
    """Good conversations that ask in the same moment; all are connected."""
    seed: int
    stalled_together: int = 0
    """Sessions that were open in the moment in which the good ones came, the fewest of all rounds."""
    longest_stalled_s: float = 0.0
    """From the last stalled visitor's last read to the end of all their sessions and connections."""
    first_audio_p95_ms: float = 0.0
    """Beside the stalled."""
    first_audio_alone_p95_ms: float = 0.0
    unanswered: int = 0
    slowest_new_client_s: float = 0.0
    growth_mb: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def run_stalled(
    questions: Sequence[str], *, stalled: int, good: int, rounds: int, at_once: int, seed: int
) -> StalledReport:
    """On a server of its own with the museum's documents."""
    report = StalledReport(stalled, good, rounds, at_once, seed)
    async with open_speaker() as speaker, run_server(settings=SETTINGS) as server:
        maker = UtteranceMaker(speaker, seed=seed)
        asked = [questions[place % len(questions)] for place in range(good)]
        utterances = await maker.make(asked, paused_share=0)
        await _converse(server, maker, utterances, at_once)  # caches and pools grow to their size
        if (await ask_typed(server, STALLED_QUESTION)).body["citations"]:
            report.wrong.append("the documents answer what the stalled ask: more than stalling is measured")
        before = await _settled(server)
        alone: list[float | None] = []
        beside: list[float | None] = []
        for number in range(rounds):
            for with_stalled in (False, True) if number % 2 == 0 else (True, False):
                if with_stalled:
                    beside += await _beside_stalled(server, maker, utterances, report, before)
                else:
                    alone += await _converse(server, maker, utterances, at_once)
    report.unanswered = sum(latency is None for latency in [*alone, *beside])
    report.first_audio_alone_p95_ms = _p95(alone)
    report.first_audio_p95_ms = _p95(beside)
    report.wrong += _judged(report)
    return report


def too_slow(report: StalledReport) -> list[str]:
    """Whether the good ones waited longer; apart, because few questions on a busy machine cannot tell."""
    most_ms = report.first_audio_alone_p95_ms * (1 + SLOWER_SHARE)
    if report.first_audio_p95_ms <= most_ms:
        return []
    return [f"the good ones waited {report.first_audio_p95_ms} ms, {most_ms:.0f} ms are allowed"]


async def _beside_stalled(
    server: RunningServer,
    maker: UtteranceMaker,
    utterances: Sequence[Utterance],
    report: StalledReport,
    before: Held,
) -> list[float | None]:
    latencies: list[float | None] = []
    most_bytes = 0

    async def watch_memory() -> None:
        nonlocal most_bytes
        while True:
            most_bytes = max(most_bytes, look_at(server.process_id).resident_bytes)
            await anyio.sleep(LOOK_EVERY_S)

    with ExitStack() as visitors:
        async with anyio.create_task_group() as watching:
            watching.start_soon(watch_memory)
            stalled_s = await _stall(server, report, visitors)
            together = int((await read_metrics(server))["aura_voice_sessions_open"])
            report.stalled_together = min(report.stalled_together or together, together)
            latencies += await _converse(server, maker, utterances, report.at_once)
            began_s = time.monotonic()
            if not await greets(server.socket_url, server.key):
                report.wrong.append("a new client is not greeted beside the stalled")
            report.slowest_new_client_s = max(report.slowest_new_client_s, time.monotonic() - began_s)
            await _settled(server, before)
            report.longest_stalled_s = max(report.longest_stalled_s, time.monotonic() - stalled_s)
            watching.cancel_scope.cancel()
    report.growth_mb = round(max(report.growth_mb, (most_bytes - before.resident_bytes) / MB), 1)
    return latencies


async def _stall(server: RunningServer, report: StalledReport, visitors: ExitStack) -> float:
    """Have them all stalled; when the last of them was."""
    places = anyio.CapacityLimiter(STALLING_AT_ONCE)

    async def one() -> None:
        async with places:
            visitor = visitors.enter_context(StalledVisitor(server.socket_url, server.key, STALLED_QUESTION))
            try:
                await visitor.stall()
            except OSError as error:
                report.wrong.append(f"a visitor could not even stall: {error}")

    async with anyio.create_task_group() as tasks:
        for _ in range(report.stalled):
            tasks.start_soon(one)
    return time.monotonic()


async def _converse(
    server: RunningServer, maker: UtteranceMaker, utterances: Sequence[Utterance], at_once: int
) -> list[float | None]:
    """Each asks one question; milliseconds from the end of speech to audible reply, None without one."""
    places = anyio.CapacityLimiter(at_once)
    latencies: list[float | None] = []

    async def one(utterance: Utterance) -> None:
        async with open_client(server, maker.room) as client, places:
            latencies.append(await _first_audio_ms(client, utterance))

    async with anyio.create_task_group() as tasks:
        for utterance in utterances:
            tasks.start_soon(one, utterance)
    return latencies


async def _first_audio_ms(client: VoiceClient, utterance: Utterance) -> float | None:
    spoken_s = await client.speak(utterance.samples)

    def audible() -> bool:
        return any(reply.audible_s is not None for reply in client.replies.values())

    await client.wait_for(audible, within_s=REPLY_WITHIN_S)
    first_s = min((reply.audible_s for reply in client.replies.values() if reply.audible_s), default=None)
    if first_s is None:
        return None
    return (first_s - spoken_s - utterance.last_speech_sample / SPEECH_RATE_HZ) * 1000


async def _settled(server: RunningServer, before: Held | None = None) -> Held:
    """What is held once no session is open and no connection left, or after `SETTLED_WITHIN_S`."""
    with anyio.move_on_after(SETTLED_WITHIN_S):
        while True:
            metrics = await read_metrics(server)
            if not metrics["aura_voice_sessions_open"] and not _more_open(server, before):
                break
            await anyio.sleep(LOOK_EVERY_S)
    return look_at(server.process_id)


def _more_open(server: RunningServer, before: Held | None) -> bool:
    if before is None:
        return False
    return look_at(server.process_id).descriptors > before.descriptors + DESCRIPTOR_SLACK


def _p95(latencies: Sequence[float | None]) -> float:
    known = sorted(latency for latency in latencies if latency is not None)
    return round(known[math.ceil(0.95 * len(known)) - 1], 1) if known else math.inf


def _judged(report: StalledReport) -> list[str]:
    wrong = []
    if report.longest_stalled_s > GONE_WITHIN_S:
        wrong.append(f"stalled visitors were still there after {report.longest_stalled_s:.1f} s")
    if report.unanswered:
        wrong.append(f"{report.unanswered} good questions got no answer")
    if report.slowest_new_client_s > NEW_CLIENT_WITHIN_S:
        wrong.append(f"a new client waited {report.slowest_new_client_s:.2f} s")
    if report.growth_mb > GROWTH_MB:
        wrong.append(f"memory grew by {report.growth_mb} MB")
    return wrong
