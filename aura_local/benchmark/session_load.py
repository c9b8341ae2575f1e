"""Many voice sessions at a server: one after the other, to see what is left behind, and all at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any, Final

import anyio
from websockets.asyncio.client import ClientConnection, connect

from aura_local.audio.frame import to_pcm16
from aura_local.benchmark.labelled_speech import Utterance
from aura_local.benchmark.process_figures import MB, Held, look_at
from aura_local.benchmark.server_calls import read_metrics
from aura_local.benchmark.server_process import RunningServer
from aura_local.benchmark.voice_client import VoiceClient, open_client
from aura_local.ports import SPEECH_RATE_HZ, Samples

WARM_UP_CYCLES: Final = 5
"""The first sessions grow pools and caches to their size."""
REPLY_WITHIN_S: Final = 20.0
SETTLED_WITHIN_S: Final = 20.0
_FRAME_SAMPLES: Final = SPEECH_RATE_HZ // 50


@dataclass(frozen=True, slots=True)
class Leftover:
    """What sessions left behind: the difference between before and after, each with no session open."""

    cycles: int
    answered: int
    """Cycles in which a reply became audible."""
    threads: int
    """Without those of the pool for blocking calls, whose number follows the scheduler."""
    descriptors: int
    tasks: int
    resident_mb: float
    sessions_open: int


@dataclass(slots=True)
class Visit:
    """What one of several visitors at once went through."""

    said: str
    heard: str = ""
    answer: str = ""
    documents: tuple[str, ...] = ()
    finished: bool = False
    """The reply was told to its end, not interrupted."""
    audio_samples: int = 0
    errors: list[str] = field(default_factory=list)


async def cycle_sessions(
    server: RunningServer, utterances: Sequence[Utterance], room: Callable[[int], Samples], *, cycles: int
) -> Leftover:
    """Connect, ask a question aloud, hear the beginning of the reply, leave; again and again.

    Half of the visitors say goodbye, the others drop the line in the middle of the reply.
    """
    for number in range(WARM_UP_CYCLES):
        await _visit_briefly(server, utterances[number % len(utterances)], room, goodbye=True)
    before, tasks_before, _ = await _settled(server)
    answered = 0
    for number in range(cycles):
        utterance = utterances[number % len(utterances)]
        answered += await _visit_briefly(server, utterance, room, goodbye=number % 2 == 0)
    after, tasks, sessions_open = await _settled(server)
    resident_bytes = await _resident_after_trim(server, after.resident_bytes, before.resident_bytes)
    return Leftover(
        cycles=cycles,
        answered=answered,
        threads=after.threads - before.threads,
        descriptors=after.descriptors - before.descriptors,
        tasks=tasks - tasks_before,
        resident_mb=round((resident_bytes - before.resident_bytes) / MB, 2),
        sessions_open=sessions_open,
    )


async def _resident_after_trim(server: RunningServer, seen_bytes: int, enough_bytes: int) -> int:
    """The least that is resident until the server has given back what is free, which it does every 15 s."""
    with anyio.move_on_after(SETTLED_WITHIN_S):
        while seen_bytes > enough_bytes:
            await anyio.sleep(0.5)
            seen_bytes = min(seen_bytes, look_at(server.process_id).resident_bytes)
    return seen_bytes


async def visit_at_once(
    server: RunningServer, utterances: Sequence[Sequence[Utterance]], room: Callable[[int], Samples]
) -> list[Visit]:
    """As many sessions as there are sequences, each asking its utterances in turn, in real time."""
    visits: list[Visit] = []
    async with anyio.create_task_group() as tasks:
        for questions in utterances:
            tasks.start_soon(_visit, server, questions, room, visits)
    return visits


async def _visit(
    server: RunningServer,
    questions: Sequence[Utterance],
    room: Callable[[int], Samples],
    visits: list[Visit],
) -> None:
    async with open_client(server, room) as client:
        for utterance in questions:
            visits.append(await _hear_out(client, utterance))


async def _hear_out(client: VoiceClient, utterance: Utterance) -> Visit:
    """Ask aloud and listen to the whole reply."""
    visit = Visit(utterance.text)
    place = len(client.messages)

    def is_over() -> bool:
        return bool(client.since(place, "turn_metrics"))

    await client.speak(utterance.samples)
    await client.wait_for(is_over, within_s=REPLY_WITHIN_S)
    for _, message in client.messages[place:]:
        match message:
            case {"type": "final_transcript", "text": text}:
                visit.heard = text
            case {"type": "citations", "citations": citations}:
                visit.documents = tuple(citation["document"] for citation in citations)
            case {"type": "reply_finished", "text": text, "cancelled": cancelled, "reply_id": reply_id}:
                visit.answer, visit.finished = text, not cancelled
                visit.audio_samples = len(client.replies[reply_id].samples)
            case {"type": "error", "code": code}:
                visit.errors.append(code)
    return visit


async def _visit_briefly(
    server: RunningServer, utterance: Utterance, room: Callable[[int], Samples], *, goodbye: bool
) -> bool:
    """One connection; True if the reply became audible. The question comes all at once, as after a jam."""
    # Unread messages would hold up the closing handshake, so none are left in the kernel.
    options: dict[str, Any] = {"compression": None, "max_size": None, "max_queue": None, "proxy": None}
    async with connect(server.socket_url, **options) as connection:
        start = {"type": "start", "key": server.key, "sample_rate_hz": SPEECH_RATE_HZ}
        await connection.send(json.dumps(start))
        for first in range(0, len(utterance.samples), _FRAME_SAMPLES):
            await connection.send(to_pcm16(utterance.samples[first : first + _FRAME_SAMPLES]))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_stay_silent, connection, room)
            audible = await _until_audible(connection)
            tasks.cancel_scope.cancel()
        if not goodbye:
            connection.transport.abort()
    return audible


async def _stay_silent(connection: ClientConnection, room: Callable[[int], Samples]) -> None:
    while True:
        await connection.send(to_pcm16(room(_FRAME_SAMPLES)))
        await anyio.sleep(_FRAME_SAMPLES / SPEECH_RATE_HZ)


async def _until_audible(connection: ClientConnection) -> bool:
    with anyio.move_on_after(REPLY_WITHIN_S):
        async for message in connection:
            if isinstance(message, bytes):
                return True
    return False


async def _settled(server: RunningServer) -> tuple[Held, int, int]:
    """What the server holds, its tasks and its open sessions, once no session is open any more."""
    metrics = await read_metrics(server)
    with anyio.move_on_after(SETTLED_WITHIN_S):
        while metrics["aura_voice_sessions_open"]:
            await anyio.sleep(0.1)
            metrics = await read_metrics(server)
    # The connections of these very requests close a moment later: the least of several looks counts.
    looks, tasks, pool_threads = [], [], []
    for _ in range(10):
        looks.append(look_at(server.process_id))
        metrics = await read_metrics(server)
        tasks.append(int(metrics["aura_tasks"]))
        pool_threads.append(int(metrics["aura_pool_threads"]))
        await anyio.sleep(0.1)
    held = Held(
        resident_bytes=min(look.resident_bytes for look in looks),
        # The pool may change between the two looks; in the middle of ten pairs it has not.
        threads=median_low(look.threads - pool for look, pool in zip(looks, pool_threads, strict=True)),
        descriptors=min(look.descriptors for look in looks),
    )
    return held, min(tasks), int(metrics["aura_voice_sessions_open"])
