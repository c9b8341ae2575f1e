"""Single trials at the voice socket: a question, an interruption."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from aura_local.benchmark.labelled_speech import Utterance
from aura_local.benchmark.questions import normalise
from aura_local.benchmark.voice_client import VoiceClient
from aura_local.ports import SPEECH_RATE_HZ, Samples

REPLY_WITHIN_S: Final = 8.0
SETTLE_S: Final = 0.3
LISTEN_S: Final = 0.9
"""How long a reply is listened to before it is interrupted."""


@dataclass(slots=True)
class QuestionTrial:
    """One utterance and what came of it; times in ms from the labelled last speech sample."""

    utterance: Utterance
    heard: str = ""
    answer: str = ""
    documents: tuple[str, ...] = ()
    first_audio_ms: float | None = None
    """None when no reply became audible."""
    cut_in: bool = False
    """A reply was audible before the labelled end."""
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    work: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class InterruptionTrial:
    silent_ms: float | None
    """From the onset of the interrupting speech to the last audible sample; None: never silent."""
    remembered: str
    """What the history says was heard."""
    played: str
    """What had been played, by the shipped recogniser."""

    @property
    def words_off(self) -> int:
        """Difference in words between the history and what was played."""
        return abs(len(normalise(self.remembered).split()) - len(normalise(self.played).split()))


async def ask(client: VoiceClient, utterance: Utterance) -> QuestionTrial:
    """Speak, wait until the reply is audible and complete as text, then cancel what is left of it."""
    trial = QuestionTrial(utterance)
    place = len(client.messages)
    first_reply = max(client.replies, default=0) + 1
    began_s = await client.speak(utterance.samples)
    end_s = began_s + utterance.last_speech_sample / SPEECH_RATE_HZ

    def answered() -> bool:
        """A reply to the whole utterance is audible; one that cut into it is not the last."""
        started = client.since(place, "reply_started")
        audible_s = client.replies[started[-1][1]["reply_id"]].audible_s if started else None
        return audible_s is not None and audible_s >= end_s

    await anyio.sleep(max(0.0, end_s - time.monotonic()))
    await client.wait_for(answered, within_s=REPLY_WITHIN_S)
    await anyio.sleep(SETTLE_S)
    await client.send(type="cancel")
    await client.wait_for(lambda: _all_finished(client, place), within_s=5)
    _read(trial, client, place)
    for reply_id in range(first_reply, max(client.replies, default=0) + 1):
        audible_s = client.replies[reply_id].audible_s if reply_id in client.replies else None
        if audible_s is not None and audible_s < end_s:
            trial.cut_in = True
        elif audible_s is not None:
            trial.first_audio_ms = (audible_s - end_s) * 1000
    await anyio.sleep(SETTLE_S)
    return trial


async def interrupt(
    client: VoiceClient,
    question: Utterance,
    interruption: Utterance,
    transcribe: Callable[[Samples], Awaitable[str]],
) -> InterruptionTrial:
    """Ask, listen to the reply for a while, then talk over it."""
    place = len(client.messages)
    await client.speak(question.samples)
    await client.wait_for(lambda: bool(client.since(place, "reply_audio_started")), within_s=15)
    reply_id = client.since(place, "reply_started")[-1][1]["reply_id"]
    await anyio.sleep(LISTEN_S)
    began_s = await client.speak(interruption.samples)
    onset_s = began_s + interruption.first_speech_sample / SPEECH_RATE_HZ
    reply = client.replies[reply_id]
    await client.wait_for(lambda: reply.flushed_s is not None, within_s=5)
    await client.wait_for(lambda: _finished(client, place, reply_id) is not None, within_s=10)
    await client.send(type="cancel")
    await client.wait_for(lambda: _all_finished(client, place), within_s=5)
    finished = _finished(client, place, reply_id)
    played = await transcribe(reply.samples[: reply.played(time.monotonic())])
    await anyio.sleep(SETTLE_S)
    return InterruptionTrial(
        silent_ms=None if reply.flushed_s is None else (reply.flushed_s - onset_s) * 1000,
        remembered=finished["heard_text"] if finished else "",
        played=played,
    )


def _read(trial: QuestionTrial, client: VoiceClient, place: int) -> None:
    heard: dict[int, str] = {}
    for _, message in client.messages[place:]:
        match message["type"]:
            case "final_transcript":
                heard[message["turn"]] = message["text"]
            case "citations":
                trial.documents = tuple(citation["document"] for citation in message["citations"])
            case "reply_finished":
                trial.answer = message["text"]
            case "turn_metrics":
                trial.stages_ms, trial.work = message["stages_ms"], message["work"]
    # An utterance that was cut into was heard in two turns.
    trial.heard = " ".join(text for text in heard.values() if text)


def _finished(client: VoiceClient, place: int, reply_id: int) -> dict[str, Any] | None:
    for _, message in client.since(place, "reply_finished"):
        if message["reply_id"] == reply_id:
            return message
    return None


def _all_finished(client: VoiceClient, place: int) -> bool:
    return len(client.since(place, "turn_metrics")) >= len(client.since(place, "reply_started"))
