"""The whole engine on stand-ins: documents in, answers out, and everything closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import numpy as np
import pytest

from aura_local.accounts.principal import operator
from aura_local.adapters.scripted import (
    RecordingSink,
    ScriptedLanguageModel,
    ScriptedSpeechToText,
)
from aura_local.conversation.events import CitationsFound, FinalTranscript, ReplyFinished, SessionEvent
from aura_local.engine import Engine
from aura_local.engine_room import EngineStatus
from aura_local.errors import (
    AuthenticationFailed,
    ConfigurationError,
    EngineUnavailable,
    ModelMissing,
    NotFound,
)
from aura_local.ports import Caller, Priority
from aura_local.settings_sources import load_settings
from aura_local.storage.leases import TenantHandle
from tests.support.engine import ScriptedRoom, open_museum, open_scripted_engine

pytestmark = pytest.mark.anyio

OPENING = "The museum opens at nine."
PARKING = "Parking is free behind the museum."
QUESTION = "the museum opens at"
"""The scripted embedder knows words, not their meaning."""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    room = ScriptedRoom({"language_model": ScriptedLanguageModel([[OPENING]])})
    async with open_scripted_engine(tmp_path, room=room) as engine:
        yield engine


async def ask(engine: Engine, handle: TenantHandle, question: str, session_id: str | None = None) -> str:
    """The session of an answer that was read to its end."""
    async with engine.answer(handle, question, asker=operator(handle.id), session_id=session_id) as chat:
        async for _ in chat.stream:
            pass
    return chat.session_id


async def test_a_typed_question_is_answered_from_the_documents(engine: Engine) -> None:
    async with open_museum(engine, OPENING, PARKING) as handle:
        async with engine.answer(handle, QUESTION, asker=operator(handle.id), session_id=None) as chat:
            events = [event async for event in chat.stream]
        assert chat.stream.answer.text == OPENING
        (citation,) = chat.stream.answer.citations
        assert (citation.document, citation.quote) == ("museum.txt", OPENING)
        assert isinstance(events[0], CitationsFound)
        stored = await handle.database.read(lambda tables: list(tables.query("SELECT * FROM turns")))
        assert [(row["user_text"], row["heard_text"]) for row in stored] == [(QUESTION, OPENING)]


async def test_a_conversation_goes_on(engine: Engine) -> None:
    async with open_museum(engine, OPENING) as handle:
        session_id = await ask(engine, handle, QUESTION)
        assert await ask(engine, handle, "does the museum open", session_id) == session_id
        with pytest.raises(NotFound):
            await ask(engine, handle, "when", "0123456789abcdef")


async def test_a_conversation_of_another_tenant_does_not_exist(engine: Engine) -> None:
    async with open_museum(engine, OPENING) as handle:
        session_id = await ask(engine, handle, QUESTION)
    other = await engine.catalog.create_tenant("Castle")
    async with engine.leases.lease(other.id) as handle:
        with pytest.raises(NotFound):
            await ask(engine, handle, "when", session_id)


async def test_without_documents_it_declines(engine: Engine) -> None:
    async with (
        open_museum(engine) as handle,
        engine.answer(handle, "when does it open", asker=operator(handle.id), session_id=None) as chat,
    ):
        async for _ in chat.stream:
            pass
        assert not chat.stream.answer.answered
        assert chat.stream.answer.citations == ()


async def test_a_small_model_is_checked(tmp_path: Path) -> None:
    room = ScriptedRoom({"language_model": ScriptedLanguageModel([["The museum ", "opens at ten."]])})
    room.trusted = False
    async with (
        open_scripted_engine(tmp_path, room=room) as engine,
        open_museum(engine, OPENING) as handle,
        engine.answer(handle, QUESTION, asker=operator(handle.id), session_id=None) as chat,
    ):
        async for _ in chat.stream:
            pass
        assert "ten" not in chat.stream.answer.text


async def test_a_spoken_question_is_answered_aloud(tmp_path: Path) -> None:
    room = ScriptedRoom(
        {
            "language_model": ScriptedLanguageModel([[OPENING]]),
            "speech_to_text": ScriptedSpeechToText([QUESTION]),
        }
    )
    events: list[SessionEvent] = []
    sink = RecordingSink()

    async def notify(event: SessionEvent) -> None:
        events.append(event)

    async with open_scripted_engine(tmp_path, room=room) as engine, open_museum(engine, OPENING) as handle:
        session = await engine.voice_session(handle, asker=operator(handle.id), sink=sink, notify=notify)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(session.run)
                await session.push(np.full(16_000, 0.5, dtype=np.float32))
                await session.push(np.zeros(16_000, dtype=np.float32))
                await session.finish()
        assert FinalTranscript(1, QUESTION) in events
        finished = next(event for event in events if isinstance(event, ReplyFinished))
        assert (finished.heard_text, finished.cancelled) == (OPENING, False)
        assert len(sink.audio(1)) > 24_000
        stored = await handle.database.read(lambda tables: list(tables.query("SELECT * FROM turns")))
        assert [row["heard_text"] for row in stored] == [OPENING]
        assert b'turns_total{outcome="committed"} 1.0' in engine.metrics.render()


async def test_everything_is_closed_and_no_task_stays(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    room = ScriptedRoom()
    async with open_scripted_engine(tmp_path, room=room) as engine, open_museum(engine, OPENING):
        pass
    assert asyncio.all_tasks() == before
    assert all(stand_in.script.closed for stand_in in room.engines.values())


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    async with open_scripted_engine(tmp_path) as engine, open_museum(engine, OPENING) as handle:
        tenant_id = handle.id
    async with open_scripted_engine(tmp_path) as engine, engine.leases.lease(tenant_id) as handle:
        grounding = await engine.retriever.retrieve(handle, QUESTION, caller=Caller(handle.id, Priority.CHAT))
        assert grounding.passages[0].document_name == "museum.txt"


class IncompleteRoom(ScriptedRoom):
    """Its voice is not installed."""

    @property
    def status(self) -> tuple[EngineStatus, ...]:
        return (
            EngineStatus("text_to_speech", "missing", "piper", "amy", message="No voice.", command="get amy"),
        )

    def engine(self, job: str) -> object:
        if job == "text_to_speech":
            raise ModelMissing("No voice.")
        return super().engine(job)


async def test_a_missing_engine_is_named_and_the_others_work(tmp_path: Path) -> None:
    room = IncompleteRoom({"language_model": ScriptedLanguageModel([[OPENING]])})
    arguments = {
        "home": tmp_path / "home",
        "master_key_file": tmp_path / "key",
        "limits.disk_reserve_bytes": 0,
    }
    async with Engine.open(load_settings(arguments, {}), room=room) as engine:
        with pytest.raises(ModelMissing, match="No voice"):
            await engine.ready()
        assert engine.loading_finished
        assert engine.status()[0].command == "get amy"
        async with open_museum(engine, OPENING) as handle:
            await ask(engine, handle, QUESTION)
            with pytest.raises(ModelMissing):
                await engine.voice_session(
                    handle, asker=operator(handle.id), sink=RecordingSink(), notify=_ignore
                )


async def _ignore(event: SessionEvent) -> None:
    pass


async def test_an_unknown_key_opens_nothing(engine: Engine) -> None:
    with pytest.raises(AuthenticationFailed):
        await engine.authenticate("aura_0000_nothing")


async def test_a_model_that_does_not_exist_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    arguments = {
        "home": tmp_path / "home",
        "master_key_file": tmp_path / "key",
        "engines.speech_to_text": "nonsense",
    }
    with pytest.raises(ConfigurationError, match=r"engines\.speech_to_text is 'nonsense'"):
        async with Engine.open(load_settings(arguments, {})):
            pass


async def test_a_failing_model_fails_the_answer_and_nothing_is_remembered(engine: Engine) -> None:
    async with open_museum(engine, OPENING) as handle:
        engine._room.engine("language_model").script.failure = EngineUnavailable("broken")
        with pytest.raises(EngineUnavailable):
            await ask(engine, handle, QUESTION)
        stored = await handle.database.read(lambda tables: list(tables.query("SELECT * FROM turns")))
        assert stored == []
