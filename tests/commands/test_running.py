"""The shell around a command's body."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
import typer

from aura_local.commands.failures import ExitCode
from aura_local.commands.running import run_command
from aura_local.errors import ModelMissing, NotFound
from aura_local.settings_sources import LoadedSettings
from tests.commands.invoking import Aura, logging_kept


@pytest.fixture(autouse=True)
def own_settings(aura: Aura, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aura.environment.items():
        monkeypatch.setenv(name, value)


def ended_with(exit_info: pytest.ExceptionInfo[typer.Exit]) -> int:
    return exit_info.value.exit_code


def test_options_override_the_environment(tmp_path: Path) -> None:
    seen: list[tuple[Path, str]] = []

    async def work(loaded: LoadedSettings) -> None:
        seen.append((loaded.values.home, loaded.values.profile))

    with logging_kept(), pytest.raises(typer.Exit) as end:
        run_command(work, home=tmp_path / "elsewhere", profile="demo")
    assert ended_with(end) == 0
    assert seen == [(tmp_path / "elsewhere", "demo")]


def test_the_body_decides_the_exit_code() -> None:
    async def work(_: LoadedSettings) -> ExitCode:
        return ExitCode.FAILED

    with logging_kept(), pytest.raises(typer.Exit) as end:
        run_command(work)
    assert ended_with(end) == 1


def test_an_error_out_of_a_task_group_is_told_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    async def work(_: LoadedSettings) -> None:
        async with anyio.create_task_group():
            raise ModelMissing("It is not installed.")

    with logging_kept(), pytest.raises(typer.Exit) as end:
        run_command(work)
    assert ended_with(end) == 3
    assert capsys.readouterr().err == "error: It is not installed.\n"


def test_a_defect_is_not_hidden() -> None:
    async def work(_: LoadedSettings) -> None:
        async with anyio.create_task_group():
            raise ZeroDivisionError

    with logging_kept(), pytest.raises(ExceptionGroup) as defect:
        run_command(work)
    assert defect.group_contains(ZeroDivisionError)


def test_a_wrong_setting_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(_: LoadedSettings) -> None:
        raise NotFound("never reached")

    monkeypatch.setenv("AURA_SERVER__PROT", "1")
    with logging_kept(), pytest.raises(typer.Exit) as end:
        run_command(work)
    assert ended_with(end) == 2
    assert "AURA_SERVER__PROT" in capsys.readouterr().err


INTERRUPTED = """
import signal, anyio, typer
from aura_local.commands.running import run_command

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
application = typer.Typer()

@application.command()
def wait():
    async def work(loaded):
        print("running", flush=True)
        await anyio.sleep_forever()

    run_command(work)

application()
"""


def test_control_c_ends_with_130() -> None:
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"running\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
