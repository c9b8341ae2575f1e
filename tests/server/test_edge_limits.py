"""Limits of the server's edge at their last allowed value and one beyond, on the whole product."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from aura_server.app import create_app
from aura_server.audio_input import AudioInput

from aura_local.errors import ProtocolViolation
from tests.server.conftest import client_for, key_of_new_tenant
from tests.server.fake_clock import FakeClock
from tests.server.serving import serving
from tests.server.voice_server import voice_server
from tests.support.engine import open_scripted_engine

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def client_of(folder: Path, **limits: int) -> AsyncIterator[httpx.AsyncClient]:
    settings: dict[str, Any] = {f"limits__{name}": value for name, value in limits.items()}
    (folder / "ui").mkdir()
    async with open_scripted_engine(folder, **settings) as engine:
        key = await key_of_new_tenant(engine, "Alder Abbey")
        app = create_app(engine, pages=folder / "ui")
        async with (
            serving(app, engine.settings.limits) as port,
            client_for(f"http://127.0.0.1:{port}", key) as client,
        ):
            yield client


async def test_json_bodies_up_to_the_limit(tmp_path: Path) -> None:
    async with client_of(tmp_path, json_body_bytes=100) as client:
        statuses = []
        for size_bytes in (100, 101):
            body = b'{"question": "When?"}'.ljust(size_bytes)
            answer = await client.post(
                "/api/chat", content=body, headers={"content-type": "application/json"}
            )
            statuses.append(answer.status_code)
        assert statuses == [200, 413]


async def test_documents_up_to_the_limit(tmp_path: Path) -> None:
    async with client_of(tmp_path, upload_bytes=2000) as client:
        statuses = []
        for size_bytes in (2000, 2001):
            text = b"The museum opens at nine.\n".ljust(size_bytes - 1, b".") + b"\n"
            files = {"file": (f"{size_bytes}.txt", text, "text/plain")}
            statuses.append((await client.post("/api/documents/upload", files=files)).status_code)
        assert statuses == [202, 413]


async def test_questions_up_to_the_limit(tmp_path: Path) -> None:
    async with client_of(tmp_path, question_characters=30) as client:
        statuses = [
            (await client.post("/api/chat", json={"question": "w" * characters})).status_code
            for characters in (30, 31)
        ]
        assert statuses == [200, 413]


async def test_refused_credentials_up_to_the_limit_of_the_product(tmp_path: Path) -> None:
    async with client_of(tmp_path, failed_logins_per_minute=3) as client:
        wrong = {"authorization": "Bearer aura_wrong_key"}
        answers = [await client.get("/api/documents", headers=wrong) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert answers[-1].json()["error"]["code"] == "too_many_requests"
        assert int(answers[-1].headers["retry-after"]) > 0


async def test_messages_up_to_the_rate() -> None:
    """Five seconds' worth may come at once; time that passes meanwhile allows a few more."""
    async with voice_server(limits={"messages_per_s": 1}) as server:
        for count, floods in ((5, False), (8, True)):
            async with server.client() as client:
                await client.until("ready")
                for _ in range(count):
                    await client.send({"type": "sing"})
                if floods:
                    assert await client.until_closed() == 4400
                assert ("flooding" in [e["code"] for e in client.all("error")]) is floods
                if not floods:
                    await client.until("error", count)
                    assert not client.closed.is_set()


def accepts(entry: AudioInput, count: int) -> bool:
    try:
        entry.accept(np.zeros(count, dtype="<i2").tobytes())
    except ProtocolViolation as error:
        if error.code != "audio_too_fast":
            raise
        return False
    return True


async def test_audio_up_to_the_pace() -> None:
    clock = FakeClock()
    entry = AudioInput(16_000, catch_up_s=30, clock=clock)
    assert accepts(entry, 5 * 16_000)
    assert not accepts(entry, 1)
    clock.now_s += 1
    assert accepts(entry, 20_000)
    assert not accepts(entry, 1)


async def test_audio_at_the_pace_that_is_set() -> None:
    clock = FakeClock()
    entry = AudioInput(8_000, catch_up_s=0, pace=2.0, head_start_s=1.0, clock=clock)
    assert accepts(entry, 8_000)
    assert not accepts(entry, 1)
    clock.now_s += 0.25
    assert accepts(entry, 4_000)
    assert not accepts(entry, 1)
