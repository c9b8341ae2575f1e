"""Models are exchanged under four conversations on the real engines: none is cut, and the next turn has them.

The new recogniser and language model are the ones that ship under other names, so that what is heard and
said can be checked; the new voice is another engine.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from aura_local.accounts.principal import operator
from aura_local.adapters.registry import AdapterContext, open_adapter
from aura_local.audit.chain import PLATFORM
from aura_local.benchmark.labelled_speech import Utterance, UtteranceMaker
from aura_local.benchmark.questions import answerable_questions
from aura_local.catalogue.known_models import known_store
from aura_local.conversation.events import (
    FinalTranscript,
    ReplyAudioStarted,
    ReplyFinished,
    SpeechStarted,
    TurnFailed,
)
from aura_local.data_files import data_folder
from aura_local.engine import Engine
from aura_local.engine_room import EngineRoom
from aura_local.model_use import use_model
from aura_local.settings_sources import load_settings
from tests.support.lock_step import LockStep, lock_step

pytestmark = [pytest.mark.anyio, pytest.mark.engines, pytest.mark.llama, pytest.mark.starter]

OLD = {"whisper-synthetic-tiny", "smollm2-135m-instruct", "piper-synthetic"}
NEW = ("second-ears", "second-mind", "espeak-ng")
QUESTIONS = answerable_questions()[:4]


@dataclass
class Watched:
    """A real engine that records which model worked, and whether after it was closed."""

    inner: Any
    model: str
    worked: list[str]
    closed: set[str]

    def __getattr__(self, name: str) -> Any:
        if name in ("transcribe", "stream", "prepare"):
            assert self.model not in self.closed, f"{self.model} is closed"
            self.worked.append(self.model)
        return getattr(self.inner, name)

    async def close(self) -> None:
        self.closed.add(self.model)
        await self.inner.close()


@dataclass
class Museum:
    engine: Engine
    talks: list[LockStep]
    worked: list[str] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)

    def open(self, job: str, engine: str, context: AdapterContext) -> Any:
        return Watched(open_adapter(job, engine, context), context.model, self.worked, self.closed)

    async def exchange(self) -> None:
        for name in NEW:
            used = await use_model(self.engine, operator(), name)
            assert (used.model, used.kept) == (name, True)


@pytest.fixture
async def museum(copied_museum: Path, maker: UtteranceMaker) -> AsyncIterator[Museum]:
    home = copied_museum / "home"
    copies = _copied("whisper-synthetic-tiny", NEW[0]) + _copied("smollm2-135m-instruct", NEW[1])
    (home / "models").mkdir(exist_ok=True)
    (home / "models" / "catalogue.toml").write_text(copies)
    arguments = {
        "home": home,
        "master_key_file": copied_museum / "key" / "master.key",
        "profile": "demo",
        "limits.disk_reserve_bytes": 0,
        "voice.partial_transcripts": False,
    }
    loaded = load_settings(arguments, {})
    made = Museum(None, [])  # type: ignore[arg-type]
    room = EngineRoom(loaded.values, known_store(home), open_engine=made.open)
    async with AsyncExitStack() as stack:
        made.engine = engine = await stack.enter_async_context(Engine.open(loaded, room=room))
        await engine.ready()
        tenant = (await engine.catalog.tenants())[0]
        handle = await stack.enter_async_context(engine.leases.lease(tenant.id))
        for _ in QUESTIONS:
            made.talks.append(await stack.enter_async_context(lock_step(engine, handle, maker.room)))
        yield made


async def test_no_conversation_is_cut_and_the_next_turn_has_the_new_models(
    museum: Museum, maker: UtteranceMaker
) -> None:
    spoken = [await maker.speak(question.spoken, "en-us") for question in QUESTIONS]
    answering, pausing, speaking, waiting = museum.talks
    await answering.play(spoken[0].samples)
    await answering.until(ReplyAudioStarted)
    await pausing.play(spoken[1].samples)
    half = len(spoken[2].samples) // 2
    await speaking.play(spoken[2].samples[:half])
    assert speaking.events(SpeechStarted)
    assert not speaking.events(FinalTranscript)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(museum.exchange)
        await speaking.play(spoken[2].samples[half:])
        for talk in (answering, pausing, speaking):
            await talk.until(ReplyFinished)
    assert museum.closed >= OLD, "nobody is left with the old models"
    _whole(answering, QUESTIONS[:1])
    _whole(pausing, QUESTIONS[1:2])
    _whole(speaking, QUESTIONS[2:3])

    museum.worked.clear()
    for place, talk in enumerate(museum.talks):
        await _ask(talk, spoken[(place + 1) % 4])
    assert set(museum.worked) == set(NEW)
    for place, talk in enumerate(museum.talks):
        later = QUESTIONS[(place + 1) % 4]
        _whole(talk, [later] if talk is waiting else [QUESTIONS[place], later])

    entries = [
        entry for entry in await museum.engine.audit_log(PLATFORM).entries() if "model" in entry.action
    ]
    assert [(entry.action, entry.subject) for entry in entries] == [("model.used", name) for name in NEW]
    text = (museum.engine.settings.home / "aura.toml").read_text()
    assert f'speech_to_text = "{NEW[0]}"' in text
    assert {status.model for status in museum.engine.status()} >= set(NEW)


async def _ask(talk: LockStep, question: Utterance) -> None:
    replies = len(talk.events(ReplyFinished))
    await talk.play(question.samples)
    await talk.until(ReplyFinished, replies + 1)


def _whole(talk: LockStep, questions: list[Any]) -> None:
    """Every question was heard, answered and spoken to the end."""
    assert talk.events(TurnFailed) == []
    finished = talk.events(ReplyFinished)
    assert len(finished) == len(questions)
    for question, reply in zip(questions, finished, strict=True):
        assert not reply.cancelled
        assert reply.heard_text == reply.text
        assert question.answered_by(reply.text), (question.spoken, reply.text)


def _copied(name: str, other: str) -> str:
    """The entry of a shipped model under another name."""
    text = (data_folder("models") / "catalogue.toml").read_text()
    entry = next(part for part in text.split("[[model]]")[1:] if f'name = "{name}"' in part)
    return "[[model]]" + re.sub(rf'^name = "{name}"', f'name = "{other}"', entry, count=1, flags=re.MULTILINE)
