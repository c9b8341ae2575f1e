"""`aura master-key`, and what opens only with a passphrase: from a file, or typed in at a terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.commands.invoking import Aura
from tests.commands.test_tenant import actions, dump, fill

WORDS = "correct horse battery"
OTHER = "another long passphrase"

AT_A_TERMINAL = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, "-c", sys.argv[1], *sys.argv[2:]])))
"""
"""Runs a program on a terminal of its own, with our standard input as the keyboard."""

TENANTS = "from aura_local.commands import main; main()"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return written(tmp_path / "words", WORDS)


def written(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def ask_for(aura: Aura, file: Path) -> None:
    """From now on the master key is behind the passphrase in `file`."""
    aura.environment |= {"AURA_MASTER_KEY_SOURCE": "passphrase", "AURA_PASSPHRASE_FILE": str(file)}


def at_a_terminal(aura: Aura, *arguments: str, answers: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of a command whose questions, each in turn, are answered at the keyboard."""
    command = [sys.executable, "-c", AT_A_TERMINAL, TENANTS, *arguments]
    environment = {"PATH": "/usr/bin:/bin", **aura.environment}
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = b""
        try:
            # Only now: what is typed before the question is thrown away.
            for question, answer in answers.items():
                while question.encode() not in said and (more := os.read(process.stdout.fileno(), 4096)):
                    said += more
                process.stdin.write(answer.encode())
                process.stdin.flush()
            said += process.stdout.read()
            return process.wait(timeout=20), said.decode()
        finally:
            process.kill()


def test_where_the_key_is_shows_and_the_key_does_not(aura: Aura) -> None:
    file = Path(aura.environment["AURA_MASTER_KEY_FILE"])
    assert "not there yet" in aura("master-key", "show").stdout
    aura("tenant", "create", "Old Mill")
    shown = aura.json("master-key", "show")
    assert (shown["source"], shown["file"], shown["present"]) == ("file", str(file), True)
    everything = aura("master-key", "show").stdout + str(shown)
    assert file.read_bytes().hex() not in everything
    assert not aura.home.joinpath("master.sealed").exists()


def test_from_a_file_to_a_passphrase_to_another_and_back(aura: Aura, words: Path, tmp_path: Path) -> None:
    tenant_id = fill(aura, "Old Mill", "CANARY")
    before, file = dump(aura, tenant_id), Path(aura.environment["AURA_MASTER_KEY_FILE"])
    aura.environment["AURA_PASSPHRASE_FILE"] = str(words)
    assert 'master_key_source = "passphrase"' in aura("master-key", "seal").stderr
    assert not file.exists()
    assert "master_key_source" in aura("tenant", "list", code=1).stderr
    ask_for(aura, words)
    assert aura.json("master-key", "show")["source"] == "passphrase"
    assert aura.json("master-key", "seal", code=1)["error"]["code"] == "conflict"
    other = written(tmp_path / "other", OTHER)
    changed = aura.json("master-key", "change-passphrase", "--new-passphrase-file", str(other))
    assert changed == {"passphrase": "changed"}
    assert aura.json("tenant", "list", code=1)["error"]["code"] == "key_unavailable"
    ask_for(aura, other)
    assert aura.json("master-key", "unseal") == {"source": "file"}
    aura.environment["AURA_MASTER_KEY_SOURCE"] = "file"
    assert dump(aura, tenant_id) == before
    assert file.stat().st_mode & 0o777 == 0o600
    assert actions(aura) == ["policy.changed"] * 3
    assert aura.json("master-key", "unseal", code=1)["error"]["code"] == "conflict"
    assert aura.json("master-key", "change-passphrase", code=1)["error"]["code"] == "conflict"


def test_a_wrong_passphrase_is_one_clear_error_for_every_kind_of_command(
    aura: Aura, words: Path, tmp_path: Path
) -> None:
    ask_for(aura, words)
    aura("tenant", "create", "Old Mill")
    ask_for(aura, written(tmp_path / "wrong", "not the passphrase"))
    for command in (
        ("tenant", "list"),
        ("key", "list"),
        ("user", "list"),
        ("audit", "verify"),
        ("usage",),
        ("reindex",),
        ("backup", "make", str(tmp_path / "backup")),
        ("key", "rotate-master"),
        ("master-key", "unseal"),
        ("master-key", "change-passphrase", "--new-passphrase-file", str(words)),
        ("ask", "When?"),
    ):
        refused = aura(*command, code=1)
        assert refused.stderr.startswith("error: The passphrase does not open the master key."), command
        assert len(refused.stderr.splitlines()) == 1
    ask_for(aura, words)
    assert actions(aura) == ["tenant.created"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda file: file.chmod(0o644), "chmod 600"),
        (lambda file: file.unlink(), "cannot be read"),
        (lambda file: file.write_bytes(b"\xff\xfe" * 20), "UTF-8"),
        (lambda file: file.write_bytes(b"x" * 5000), "longer"),
    ],
)
def test_a_passphrase_file_that_cannot_be_used(
    aura: Aura, words: Path, spoil: Callable[[Path], object], said: str
) -> None:
    ask_for(aura, words)
    spoil(words)
    assert said in aura("tenant", "list", code=1).stderr
    assert not aura.home.exists()


def test_without_a_file_and_a_terminal_it_is_said_what_to_do(aura: Aura) -> None:
    aura.environment["AURA_MASTER_KEY_SOURCE"] = "passphrase"
    assert "AURA_PASSPHRASE_FILE" in aura("tenant", "list", code=1, typed=f"{WORDS}\n").stderr


def test_a_first_passphrase_that_is_too_short_seals_nothing(aura: Aura, tmp_path: Path) -> None:
    ask_for(aura, written(tmp_path / "short", "short"))
    assert "at least 12 characters" in aura("tenant", "list", code=2).stderr
    aura.environment["AURA_MASTER_KEY_SOURCE"] = "file"
    aura("tenant", "create", "Old Mill")
    assert "at least 12 characters" in aura("master-key", "seal", code=2).stderr
    assert actions(aura) == ["tenant.created"]


def test_nothing_is_sealed_where_there_is_no_key_yet(aura: Aura, words: Path) -> None:
    aura.environment["AURA_PASSPHRASE_FILE"] = str(words)
    assert aura.json("master-key", "seal", code=1)["error"]["code"] == "not_found"
    assert not aura.home.exists()


def test_a_new_master_key_stays_behind_the_passphrase(aura: Aura, words: Path) -> None:
    ask_for(aura, words)
    tenant_id = aura.json("tenant", "create", "Old Mill")["id"]
    sealed = (aura.home / "master.sealed").read_bytes()
    assert aura.json("key", "rotate-master") == {"rotated": "master", "source": "passphrase"}
    assert (aura.home / "master.sealed").read_bytes() != sealed
    assert [row["id"] for row in aura.json("tenant", "list")["tenants"]] == [tenant_id]


def test_a_sealed_backup_is_restored_with_its_passphrase_alone(
    aura: Aura, words: Path, tmp_path: Path
) -> None:
    ask_for(aura, words)
    aura("tenant", "create", "Old Mill")
    aura("backup", "make", str(tmp_path / "backup"))
    shutil.rmtree(aura.home)
    aura.environment["AURA_MASTER_KEY_SOURCE"] = "file"  # a new machine, with settings as shipped
    made = aura("backup", "restore", str(tmp_path / "backup"))
    assert 'master_key_source = "passphrase"' in made.stderr
    ask_for(aura, words)
    assert actions(aura) == ["tenant.created", "backup.made", "backup.restored"]


def test_a_person_at_a_terminal_is_asked_and_what_is_typed_is_not_shown(aura: Aura) -> None:
    aura.environment["AURA_MASTER_KEY_SOURCE"] = "passphrase"
    create = ("tenant", "create", "Old Mill")
    differing = {"New passphrase": f"{WORDS}\n", "again:": "another one\n"}
    code, said = at_a_terminal(aura, *create, answers=differing)
    assert (code, "differ" in said) == (2, True)
    code, said = at_a_terminal(aura, *create, answers=differing | {"again:": f"{WORDS}\n"})
    assert (code, "Created the tenant" in said) == (0, True)
    code, said = at_a_terminal(aura, "tenant", "list", answers={"Passphrase": f"{WORDS}\n"})
    assert (code, "Old Mill" in said) == (0, True)
    assert WORDS not in said
    code, said = at_a_terminal(aura, "tenant", "list", answers={"Passphrase": "not the passphrase\n"})
    assert (code, "does not open the master key" in said) == (1, True)


def test_control_c_at_the_question_ends_with_130(aura: Aura, words: Path) -> None:
    ask_for(aura, words)
    aura("tenant", "create", "Old Mill")
    del aura.environment["AURA_PASSPHRASE_FILE"]
    code, _ = at_a_terminal(aura, "tenant", "list", answers={"Passphrase": "\x03"})
    assert code == 130
