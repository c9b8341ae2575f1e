"""The scripts of a kiosk machine: installed and taken away again, a backup that fails, the screen."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from .unit_files import AURA, KIOSK, install, run

SCRIPTS = ("backup", "health", "install", "screen", "uninstall")

AURA_STAND_IN = """#!/usr/bin/env bash
# aura backup make|verify FOLDER
if [ "$2" = make ]; then mkdir -p "$3"; fi
exit "$(cat "$(dirname "$0")/$2")"
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_explains_itself(script: str) -> None:
    shown = run(KIOSK / script, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert script in shown.stdout


@pytest.mark.parametrize("script", ["backup", "install", "screen", "uninstall", "files.sh"])
def test_the_scripts_are_valid_shell(script: str) -> None:
    assert run("bash", "-n", KIOSK / script).stderr == ""


# --- install and uninstall -------------------------------------------------------------------------


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_second_installation_changes_nothing_and_uninstall_leaves_nothing(tmp_path: Path) -> None:
    units = install(tmp_path)
    installed = files_below(tmp_path)
    assert len(installed) == 11
    assert (units / "aura.service").stat().st_mode & 0o777 == 0o644
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in installed}
    install(tmp_path)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in files_below(tmp_path)} == before
    removed = run(KIOSK / "uninstall", "--root", tmp_path)
    assert removed.returncode == 0
    assert files_below(tmp_path) == set()


def test_a_unit_that_was_changed_is_put_right(tmp_path: Path) -> None:
    unit = install(tmp_path) / "aura.service"
    right = unit.read_text()
    unit.write_text("[Service]\n")
    install(tmp_path)
    assert unit.read_text() == right
    assert f"ExecStart={AURA} serve" in right
    assert "/opt/aura" not in right


@pytest.mark.parametrize("script", ["install", "uninstall"])
def test_a_dry_run_changes_nothing(tmp_path: Path, script: str) -> None:
    if script == "uninstall":
        install(tmp_path)
    before = files_below(tmp_path)
    said = run(KIOSK / script, "--dry-run", "--root", tmp_path)
    assert said.returncode == 0
    assert "aura.service" in said.stdout
    assert files_below(tmp_path) == before


def test_without_a_screen_no_browser_is_set_up(tmp_path: Path) -> None:
    install(tmp_path, "--no-screen")
    assert not any("kiosk.service" in name or "chromium" in name for name in files_below(tmp_path))
    assert len(files_below(tmp_path)) == 9


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--fast"], "there is no option --fast"),
        (["--root", "x", "--program", "/no/such/aura"], "/no/such/aura is not there"),
        (["--root", "x", "--program", "/my folder/aura"], "use a path of plain letters"),
    ],
)
def test_what_cannot_be_installed_is_told(options: list[str], told: str) -> None:
    refused = run(KIOSK / "install", *options)
    assert refused.returncode == 2
    assert told in refused.stderr


def test_the_rules_of_the_browser_let_it_see_the_server_alone() -> None:
    rules = json.loads((KIOSK / "etc/chromium.json").read_text())
    assert rules["URLBlocklist"] == ["*"]
    assert rules["AudioCaptureAllowedUrls"] == ["http://127.0.0.1:8765"]
    assert not [
        address for address in rules["URLAllowlist"] if "127.0.0.1" not in address and "file:" not in address
    ]


# --- backup ----------------------------------------------------------------------------------------


class Backups:
    """A folder with backups of earlier nights, and a command that ends as it is told."""

    def __init__(self, folder: Path, *, make: int = 0, verify: int = 0) -> None:
        self.folder = folder / "backups"
        for day in (1, 2, 3):
            (self.folder / f"2020-01-0{day}T03-30-00Z").mkdir(parents=True)
        self.program = folder / "aura"
        self.program.write_text(AURA_STAND_IN)
        self.program.chmod(0o755)
        (folder / "make").write_text(str(make))
        (folder / "verify").write_text(str(verify))

    def make(self, keep: str = "2") -> tuple[int, list[str]]:
        done = run(KIOSK / "backup", "--program", self.program, "--keep", keep, self.folder)
        return done.returncode, sorted(path.name for path in self.folder.iterdir() if path.name[0] != ".")


def test_the_oldest_give_way_to_the_new_one(tmp_path: Path) -> None:
    code, names = Backups(tmp_path).make()
    assert code == 0
    assert names[0] == "2020-01-03T03-30-00Z"
    assert len(names) == 2


def test_a_damaged_tenant_costs_no_older_backup(tmp_path: Path) -> None:
    """The older ones may be all that is left of it."""
    code, names = Backups(tmp_path, make=1).make()
    assert code == 1
    assert len(names) == 4
    assert not any(name.startswith("unfinished") for name in names)


def test_a_backup_that_is_not_sound_is_none(tmp_path: Path) -> None:
    backups = Backups(tmp_path, verify=1)
    code, names = backups.make()
    assert code == 1
    assert [name.partition("-")[0] for name in names] == ["2020", "2020", "2020", "unfinished"]
    (tmp_path / "verify").write_text("0")
    code, names = backups.make()
    assert code == 0
    assert not any(name.startswith("unfinished") for name in names)


@pytest.mark.parametrize("keep", ["0", "-1", "all", "1;ls"])
def test_a_number_of_backups_that_makes_no_sense_is_refused(tmp_path: Path, keep: str) -> None:
    code, names = Backups(tmp_path).make(keep)
    assert code == 2
    assert len(names) == 3


# --- health ----------------------------------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """503, until it has been asked three times."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if len(self.asked) >= 3 else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def slow_start() -> Iterator[str]:
    handler = type("Handler", (Answers,), {"asked": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("options", "code"),
    [([], 1), (["--tries", "2"], 1), (["--tries", "3"], 0), (["--wait-s", "60"], 0)],
)
def test_health_asks_as_often_as_it_may(slow_start: str, options: list[str], code: int) -> None:
    assert run(KIOSK / "health", "--pause-s", "0", *options, slow_start).returncode == code


# --- screen ----------------------------------------------------------------------------------------


@pytest.fixture
def browser(tmp_path: Path) -> str:
    """A folder with a browser in front of PATH."""
    (tmp_path / "chromium").write_text("#!/bin/sh\n")
    (tmp_path / "chromium").chmod(0o755)
    return f"{tmp_path}:/usr/bin:/bin"


def test_the_key_of_the_kiosk_is_in_no_command_line(browser: str, tmp_path: Path) -> None:
    page = "http://127.0.0.1:8765/#key=aura_secret"
    shown = run(KIOSK / "screen", "--print", PATH=browser, RUNTIME_DIRECTORY=str(tmp_path), KIOSK_PAGE=page)
    words = shown.stdout.splitlines()
    assert words[:4] == ["cage", "-d", "--", "chromium"]
    assert words[-1] == f"file://{tmp_path}/start.html"
    assert {"--kiosk", "--disable-background-networking", "--hide-crash-restore-bubble"} <= set(words)
    assert "aura_secret" not in shown.stdout


@pytest.mark.parametrize("page", ['http://x/"><script>', "javascript:alert(1)", "http://a b"])
def test_a_page_that_is_no_address_is_refused(browser: str, tmp_path: Path, page: str) -> None:
    told = run(KIOSK / "screen", "--print", PATH=browser, RUNTIME_DIRECTORY=str(tmp_path), KIOSK_PAGE=page)
    assert told.returncode == 1
    assert "KIOSK_PAGE" in told.stderr
