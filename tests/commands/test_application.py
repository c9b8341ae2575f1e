"""The command tree: everything the design promises, each with a help text."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
import typer.main

from aura_local.commands import application
from aura_local.commands.application import build_application
from tests.commands.invoking import Aura

PROMISED = frozenset(
    "serve talk ask transcribe say demo ingest tenant key reindex doctor bench version".split()
)


def test_every_promised_command_is_there() -> None:
    tree = typer.main.get_command(build_application())
    assert set(tree.commands) >= PROMISED  # type: ignore[attr-defined]


def test_without_arguments_the_help_is_shown(aura: Aura) -> None:
    assert "transcribe" in aura(code=2).output


def test_an_unknown_command_is_wrong_usage(aura: Aura) -> None:
    assert "transcribe" in aura("transcrib", code=2).stderr


@pytest.mark.parametrize("command", sorted(PROMISED))
def test_every_command_explains_itself(aura: Aura, command: str) -> None:
    assert "Usage" in aura(command, "--help").stdout


def test_a_registered_command_whose_package_is_missing_says_so_when_used(
    aura: Aura, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = EntryPoint("weigh", "no_such_package.commands:weigh", application.GROUP)
    monkeypatch.setattr(application, "entry_points", lambda group: [broken])
    assert "weigh" in aura("--help").stdout
    assert "no_such_package" in aura("weigh", code=3).stderr


def test_version_names_the_release(aura: Aura) -> None:
    from aura_local import __version__

    assert aura.json("version")["version"] == __version__
    assert __version__ in aura("version").stdout
