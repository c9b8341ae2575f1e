"""The documentation says what is so: its links lead somewhere, its examples run, its tables are complete."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest
import typer.main

from aura_local.accounts.permissions import PERMISSIONS
from aura_local.adapters.registry import GROUPS
from aura_local.catalogue.manifest import shipped_catalogues
from aura_local.commands.application import build_application
from aura_local.conversation import turn_effects, turn_events
from aura_local.conversation.turn_state import Phase
from aura_local.errors import AuraError
from aura_local.metrics import Metrics
from aura_local.settings import LimitSettings
from aura_local.settings_sources import ENVIRONMENT_PREFIX, OTHER_VARIABLES, load_settings, setting_names

from .fenced_blocks import PAGES, READMES, ROOT, Block, anchors, blocks, links, prose, rows

PYTHON = blocks("python")
TOML = blocks("toml")
SHELL = blocks("sh")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def by_id(block: Block) -> str:
    return block.id


# --- links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page.name}: {target}"
        assert path.is_relative_to(ROOT), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(path), f"{page.name}: {target}"


def test_every_page_is_reached_from_the_readme() -> None:
    assert {path.relative_to(ROOT).as_posix() for path in PAGES[1:]} <= set(links(ROOT / "README.md"))


# --- examples --------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", PYTHON, ids=by_id)
def test_python_runs_where_it_says_so_and_compiles_elsewhere(block: Block) -> None:
    code = compile(block.text, block.id, "exec")
    if block.mark == "run":
        exec(code, {"__name__": "example"})
    else:
        assert block.mark == "" or block.mark.startswith("file="), f"{block.id}: unknown mark {block.mark}"


def test_the_worked_example_of_an_engine_passes_its_contract(tmp_path: Path) -> None:
    marked = [block for block in PYTHON if block.mark.startswith("file=")]
    files = {block.mark.removeprefix("file="): block.text for block in marked}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (test,) = (name for name in files if name.startswith("test_"))
    plugins = ["-p", "tests.conftest", "-p", "tests.contract.conftest"]
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), *plugins]
    run = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(tmp_path / test)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "4 passed" in run.stdout


@pytest.mark.parametrize("block", TOML, ids=by_id)
def test_toml_loads(block: Block, tmp_path: Path) -> None:
    """As settings, unless its first line names another file."""
    if block.text.startswith("# pyproject.toml"):
        groups = tomllib.loads(block.text)["project"]["entry-points"]
        assert set(groups) <= set(GROUPS.values())
        return
    file = tmp_path / "settings.toml"
    file.write_text(block.text, encoding="utf-8")
    loaded = load_settings({"home": tmp_path / "home"}, {"AURA_CONFIG": str(file)})
    assert "file" in loaded.sources.values()


def command_lines() -> list[tuple[str, list[str]]]:
    """The words behind `aura` (or `./scripts/start`) of every such line, with the place of the line."""
    found = []
    for block in SHELL:
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["aura"]:
                found.append((f"{block.id} {line}", words[1:]))
            elif words[:1] == ["./scripts/start"]:
                named = words[1:] if words[1:] and not words[1].startswith("-") else ["serve", *words[1:]]
                found.append((f"{block.id} {line}", named))
    return found


@pytest.mark.parametrize(("line", "words"), command_lines(), ids=lambda value: str(value)[:60])
def test_command_lines_name_commands_and_options_that_exist(line: str, words: list[str]) -> None:
    command: Any = typer.main.get_command(build_application())
    words = list(words)
    while hasattr(command, "commands"):
        assert words, f"{line}: a command is missing"
        assert words[0] in command.commands, f"{line}: no such command"
        command = command.commands[words.pop(0)]
    with command.make_context("aura", [], resilient_parsing=True) as context:
        given, rest, _ = command.make_parser(context).parse_args(words)
    assert not rest, f"{line}: too many arguments"
    missing = [p.name for p in command.params if p.required and not given.get(p.name)]
    assert not missing, f"{line}: lacks {missing}"


def test_scripts_that_are_named_exist() -> None:
    for block in SHELL:
        for script in re.findall(r"\./(scripts/\w+)", block.text):
            assert (ROOT / script).is_file(), f"{block.id}: {script}"


# --- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_settings_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    sections = sorted({name.partition(".")[0] for name in setting_names() if "." in name})
    named = set(re.findall(rf"`((?:{'|'.join(sections)})\.[a-z_]+)`", text))
    assert named <= set(setting_names()) | PERMISSIONS, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_variables_that_are_named_exist(page: Path) -> None:
    known = {ENVIRONMENT_PREFIX + name.replace(".", "__").upper() for name in setting_names()}
    named = set(re.findall(r"\bAURA_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    assert named <= known | OTHER_VARIABLES, page.name


def test_every_error_code_has_an_entry() -> None:
    def classes(kind: type[AuraError]) -> list[type[AuraError]]:
        return [kind, *(deeper for below in kind.__subclasses__() for deeper in classes(below))]

    ours = [kind for kind in classes(AuraError) if kind.__module__ == "aura_local.errors"]
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    described = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    assert sorted(described) == sorted(kind.default_code for kind in ours)


def test_every_metric_is_described_with_its_labels() -> None:
    described = {name: labels for name, labels, _ in rows("operator_guide.md", "Monitoring")}
    kinds = {"counter": "_total", "gauge": "", "histogram": ""}
    metrics = Metrics()
    families = {name for family in metrics.registry.collect() for name in [family.name + kinds[family.type]]}
    assert set(described) == families
    for instrument in vars(metrics).values():
        if hasattr(instrument, "_labelnames"):
            name = next(n for n in (instrument._name + "_total", instrument._name) if n in described)
            assert described[name] == ", ".join(instrument._labelnames), name


def test_every_limit_is_described_with_its_default() -> None:
    described = {name: value for name, value, _ in rows("operator_guide.md", "Limits")}
    defaults = LimitSettings()
    assert described == {
        f"limits.{name}": in_words(name, getattr(defaults, name)) for name in LimitSettings.model_fields
    }


def in_words(name: str, value: float) -> str:
    """A default as the documentation writes it."""
    if name.endswith("_bytes"):
        mebibytes = value / 1024**2
        return f"{mebibytes:g} MiB" if mebibytes >= 1 else f"{value / 1024:g} KiB"
    if name.endswith("_per_s"):
        return f"{value:,}"
    for ending, unit in (("_ms", " ms"), ("_s", " s")):
        if name.endswith(ending):
            return f"{value:,.0f}{unit}"
    return f"{value:,}"


def test_the_memory_of_every_model_is_described() -> None:
    described = {name: cell.partition(" MB")[0] for name, cell in rows("operator_guide.md", "Memory")}
    measured = [entry for entry in shipped_catalogues() if not entry.memory_estimated]
    assert described == {entry.name: f"{entry.memory_bytes / 1e6:.0f}" for entry in measured}


def test_every_dependency_is_explained_with_its_range() -> None:
    extras = PROJECT["optional-dependencies"]
    expected: list[tuple[str, ...]] = [split(requirement) for requirement in PROJECT["dependencies"]]
    expected += [(extra, *split(requirement)) for extra, names in extras.items() for requirement in names]
    described = [tuple(row[:-1]) for row in rows("architecture.md", "Dependencies")]
    assert sorted(described) == sorted(expected)


def split(requirement: str) -> tuple[str, str]:
    match = re.fullmatch(r"([\w.-]+?)([<>=].*)", requirement)
    assert match is not None
    return match[1], match[2]


def test_the_turn_machine_is_described_whole() -> None:
    table = rows("architecture.md", "The turn machine")
    named = set(re.findall(r"[A-Z]\w+", " ".join(cell for row in table for cell in row)))
    kinds = (*typing.get_args(turn_events.Event), *typing.get_args(turn_effects.Effect))
    assert {kind.__name__ for kind in kinds} == named
    states = " ".join(row[0] for row in table)
    assert all(phase.value in states for phase in Phase)


def test_every_marker_is_described() -> None:
    from tests.support.requirements import NEEDS

    described = {row[0] for row in rows("developer_guide.md", "Tests and checks")}
    assert described == set(NEEDS)


def test_the_changelog_has_this_version() -> None:
    assert f"## [{PROJECT['version']}] - " in prose(ROOT / "CHANGELOG.md")
