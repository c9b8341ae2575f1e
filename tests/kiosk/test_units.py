"""The systemd units: correct, as closed as the page about them says, and never giving up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.fenced_blocks import rows

from .unit_files import KIOSK, install, run, settings_of

SERVICES = ("aura", "aura-backup", "aura-health", "aura-kiosk", "aura-restart")


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("machine"))


def complaints(units: Path, *names: str) -> str:
    """What systemd has to say against units; a setting it does not know is a warning and no failure to it."""
    done = run(
        "systemd-analyze", "verify", "--man=no", *(units / name for name in names),
        SYSTEMD_UNIT_PATH=f"{units}:",
    )  # fmt: skip
    return done.stderr + (f"exit code {done.returncode}" if done.returncode else "")


@pytest.mark.systemd
def test_systemd_accepts_all_units(units: Path) -> None:
    names = [path.name for path in units.iterdir()]
    assert len(names) == len(list((KIOSK / "units").iterdir())) == 7
    assert complaints(units, *names) == ""


@pytest.mark.systemd
@pytest.mark.parametrize("fault", ["WatchdocSec=1min", "ExecStartPre=/no/such/command"])
def test_a_fault_in_a_unit_would_be_seen(tmp_path: Path, fault: str) -> None:
    units = install(tmp_path)
    unit = units / "aura.service"
    unit.write_text(unit.read_text().replace("[Service]", f"[Service]\n{fault}"))
    assert complaints(units, "aura.service") != ""


@pytest.mark.systemd
def test_the_exposure_is_what_the_page_says(units: Path) -> None:
    """Not more than that: another release of systemd may count a little less."""
    said = {unit: float(score) for unit, score, _ in rows("kiosk.md", "What the units may do")}
    assert set(said) == {f"{name}.service" for name in SERVICES}
    assert said["aura.service"] <= 2.0
    for unit, score in said.items():
        shown = run("systemd-analyze", "security", "--offline=true", units / unit).stdout
        measured = re.search(r"exposure level for .*: ([0-9.]+)", shown)
        assert measured is not None, shown
        assert float(measured[1]) <= score, unit


@pytest.mark.systemd
def test_the_readers_of_documents_may_cut_themselves_off(units: Path) -> None:
    """Each makes a network namespace, within a user namespace: see `isolation_worker`."""
    settings = settings_of(units / "aura.service")
    assert settings["RestrictNamespaces"] == ["net user"]
    allowed = named_calls("@process") - named_calls("@privileged") - named_calls("@obsolete")
    assert {"unshare", "prctl", "clone"} <= allowed
    assert settings["SystemCallFilter"] == ["@system-service", "~@privileged @obsolete"]


def named_calls(group: str) -> set[str]:
    shown = run("systemd-analyze", "syscall-filter", group).stdout
    return {line.strip() for line in shown.splitlines() if not line.strip().startswith(("#", "@"))}


@pytest.mark.parametrize("unit", ["aura.service", "aura-kiosk.service"])
def test_what_must_run_is_started_again_for_ever(units: Path, unit: str) -> None:
    settings = settings_of(units / unit)
    assert settings["Restart"] == ["always"]
    assert settings["StartLimitIntervalSec"] == ["0"]
    assert float(settings["RestartSec"][0]) >= 1


def test_the_server_is_watched(units: Path) -> None:
    settings = settings_of(units / "aura.service")
    assert (settings["Type"], settings["NotifyAccess"]) == (["notify"], ["main"])
    assert settings["WatchdogSec"] == ["2min"]
    assert settings_of(units / "aura-health.service")["OnFailure"] == ["aura-restart.service"]


@pytest.mark.parametrize("unit", [f"{name}.service" for name in SERVICES])
def test_no_unit_reaches_another_machine(units: Path, unit: str) -> None:
    settings = settings_of(units / unit)
    assert settings["IPAddressDeny"] == ["any"]
    assert settings.get("IPAddressAllow", ["localhost"]) == ["localhost"]
    assert settings["NoNewPrivileges"] == ["yes"]
    assert settings["CapabilityBoundingSet"] == [""]


def test_all_commands_lie_in_the_installation(units: Path) -> None:
    ours = [
        value.split()[0]
        for unit in units.glob("*.service")
        for name in ("ExecStart", "ExecStartPre")
        for value in settings_of(unit).get(name, [])
        if not value.startswith("/usr/bin/systemctl ")
    ]
    assert len(ours) == 5
    assert all(Path(command).is_file() for command in ours), ours
