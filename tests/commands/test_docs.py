"""docs/commands.md describes every command and every option, and none that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from aura_local.commands.application import build_application
from aura_local.commands.failures import ExitCode

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def commands(group: Any, words: tuple[str, ...] = ("aura",)) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


def options(command: Any) -> set[str]:
    named = (name for parameter in command.params for name in parameter.opts if name.startswith("-"))
    return {name for name in named if name not in ("--help", "-h")}


def sections() -> dict[str, str]:
    """The text of every section on a command, by the words of its heading that are not arguments."""
    found = {}
    for part in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        name = " ".join(word for word in heading.split() if word == word.lower())
        found[name] = text.partition("\n## ")[0]
    return found


TREE = dict(commands(typer.main.get_command(build_application())))


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert set(sections()) == set(TREE)


def test_every_option_is_described_where_its_command_is() -> None:
    for name, text in sections().items():
        described = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", text))
        assert options(TREE[name]) == described, name


def test_every_exit_code_is_described() -> None:
    table = {int(code) for code in re.findall(r"^\s*\| (\d+) \|", PAGE, flags=re.MULTILINE)}
    assert table == {int(code) for code in ExitCode}


def test_every_option_has_a_help_text() -> None:
    for name, command in TREE.items():
        for parameter in command.params:
            text = getattr(parameter, "help", None)
            assert text, f"{name}: {parameter.name}"
            assert "[" not in text, f"{name}: {parameter.name}: rich reads brackets as markup and drops them"
