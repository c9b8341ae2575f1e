"""Commands on the same machine tell the running server which model to use; so does its owner."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from aura_server.control import hear_commands

from aura_local.accounts.principal import operator
from aura_local.adapters.scripted import ScriptedTextToSpeech
from aura_local.audit.chain import PLATFORM
from aura_local.commands.models_use import choose_model
from aura_local.control_socket import CONTROL_SOCKET, ask_server
from aura_local.engine import Engine
from aura_local.errors import AuraError, Conflict, EngineUnavailable, NotFound
from aura_local.model_use import use_model
from aura_local.settings_sources import load_settings
from tests.support.engine import ScriptedRoom, open_scripted_engine

pytestmark = pytest.mark.anyio


class RefusingRoom(ScriptedRoom):
    """Takes what is in `others` and refuses the rest with `refusal`."""

    refusal: AuraError | None = None

    async def swap(self, *arguments: object) -> object:  # type: ignore[override]
        if self.refusal is not None:
            raise self.refusal
        return await super().swap(*arguments)  # type: ignore[arg-type]


@asynccontextmanager
async def listening(folder: Path, room: ScriptedRoom) -> AsyncIterator[Engine]:
    async with open_scripted_engine(folder, room=room) as engine, anyio.create_task_group() as tasks:
        tasks.start_soon(hear_commands, engine)
        with anyio.fail_after(5):
            while not await _reached(engine.settings.home):
                await anyio.lowlevel.checkpoint()
        yield engine
        tasks.cancel_scope.cancel()


async def _reached(home: Path) -> bool:
    try:
        await (await anyio.connect_unix(home / CONTROL_SOCKET)).aclose()
    except OSError:
        return False
    return True


@pytest.fixture
def room() -> RefusingRoom:
    return RefusingRoom(others={"piper-synthetic": ScriptedTextToSpeech()})


async def test_the_server_takes_a_model_audits_it_and_writes_it_down(
    tmp_path: Path, room: RefusingRoom, capsys: pytest.CaptureFixture[str]
) -> None:
    async with listening(tmp_path, room) as engine:
        home = engine.settings.home
        assert stat.S_IMODE(os.stat(home / CONTROL_SOCKET).st_mode) == 0o600
        await choose_model(engine.loaded, "piper-synthetic", as_json=False)
        assert room.engines["text_to_speech"] is room.others["piper-synthetic"]
        assert (home / "aura.toml").read_text() == '[engines]\ntext_to_speech = "piper-synthetic"\n'
        (entry,) = await engine.audit_log(PLATFORM).entries()
        assert (entry.actor, entry.action, entry.subject) == (
            "operator:local",
            "model.used",
            "piper-synthetic",
        )
        assert entry.details == {"job": "text_to_speech", "before": "scripted"}
        counted = engine.metrics.registry.get_sample_value(
            "aura_model_exchanges_total", {"job": "text_to_speech", "outcome": "taken"}
        )
        assert counted == 1
    assert "from the next turn of every conversation" in capsys.readouterr().out
    assert not (home / CONTROL_SOCKET).exists()


async def test_what_the_server_cannot_load_is_told_and_not_written(
    tmp_path: Path, room: RefusingRoom
) -> None:
    room.refusal = EngineUnavailable("no voice in there")
    async with listening(tmp_path, room) as engine:
        with pytest.raises(AuraError, match="no voice in there") as told:
            await choose_model(engine.loaded, "piper-synthetic", as_json=False)
        assert told.value.code == "engine_unavailable"
        assert not (engine.settings.home / "aura.toml").exists()


async def test_what_a_restart_could_do_is_written_for_it(
    tmp_path: Path, room: RefusingRoom, capsys: pytest.CaptureFixture[str]
) -> None:
    room.refusal = Conflict("Not while it runs.", code="needs_restart")
    async with listening(tmp_path, room) as engine:
        await choose_model(engine.loaded, "piper-synthetic", as_json=True)
        assert (engine.settings.home / "aura.toml").exists()
    printed = capsys.readouterr()
    assert '"server": "needs a restart"' in printed.out
    assert "Not while it runs." in printed.err


async def test_without_a_server_the_choice_is_written_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_settings({"home": tmp_path / "home", "master_key_file": tmp_path / "key"}, {})
    await choose_model(loaded, "piper-synthetic", as_json=True)
    assert '"server": "no server runs"' in capsys.readouterr().out
    assert "piper-synthetic" in (tmp_path / "home" / "aura.toml").read_text()


async def test_a_socket_that_a_killed_server_left_is_taken_over(tmp_path: Path, room: RefusingRoom) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(home / CONTROL_SOCKET))
    assert await _asked(home) is None
    async with listening(tmp_path, room):
        assert await _asked(home) is not None


async def _asked(home: Path) -> object:
    return await ask_server(home, {"use_model": "piper-synthetic"})


async def test_a_second_server_leaves_the_first_its_socket(tmp_path: Path, room: RefusingRoom) -> None:
    async with listening(tmp_path, room) as engine:
        with anyio.fail_after(5):
            await hear_commands(engine)
        assert await _asked(engine.settings.home) is not None


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b'{"use_model": 1}\n', b"x" * 20_000 + b"\n"])
async def test_nonsense_is_refused_and_the_next_command_heard(
    tmp_path: Path, room: RefusingRoom, line: bytes
) -> None:
    async with listening(tmp_path, room) as engine:
        home = engine.settings.home
        async with await anyio.connect_unix(home / CONTROL_SOCKET) as connection:
            await connection.send(line)
            assert b"invalid_request" in await connection.receive()
        async with await anyio.connect_unix(home / CONTROL_SOCKET):
            pass  # says nothing and goes
        assert await _asked(home) is not None


async def test_an_unknown_name_is_not_found(tmp_path: Path, room: RefusingRoom) -> None:
    async with open_scripted_engine(tmp_path, room=room) as engine:
        with pytest.raises(NotFound, match="aura models list"):
            await use_model(engine, operator(), "no-such-model")


async def test_a_file_that_cannot_be_written_is_told_and_the_model_used(
    tmp_path: Path, room: RefusingRoom
) -> None:
    async with open_scripted_engine(tmp_path, room=room) as engine:
        path = anyio.Path(engine.settings.home / "aura.toml")
        await path.write_text("engines.cores = 1\n")
        used = await use_model(engine, operator(), "piper-synthetic")
        assert (used.kept, "write text_to_speech" in used.note) == (False, True)
        assert room.engines["text_to_speech"] is room.others["piper-synthetic"]
