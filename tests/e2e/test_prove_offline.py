"""`aura doctor --prove-offline` with the real engines: where nothing goes out, and where something would."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.e2e.command_line import aura
from tests.e2e.test_offline import LOOPBACK_ONLY

pytestmark = [pytest.mark.engines, pytest.mark.llama, pytest.mark.starter]

PROVE = ("doctor", "--prove-offline", "--profile", "demo")
TELL_TALE = """
import ctypes, socket, struct, sys, threading, time

def by_python():
    try:
        socket.create_connection(("telemetry.example", 443))
    except Exception:
        pass

def by_libc():
    libc = ctypes.CDLL(None)
    address = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", 443, socket.inet_aton("192.0.2.1"))
    libc.connect(libc.socket(socket.AF_INET, socket.SOCK_DGRAM, 0), address, len(address))

def phone_home():
    while "chromadb" not in sys.modules:
        time.sleep(0.01)
    {way}()

if "watched_turn" in " ".join(sys.orig_argv):
    threading.Thread(target=phone_home, daemon=True).start()
"""
"""Stands in for a library that reports home once it is loaded, and hides that it failed."""
ELSEWHERE_ON_LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    # SIOCSIFADDR: in this namespace the address is the loopback's, so that it can be connected to.
    address = struct.pack("16sH2x4s8x", b"lo:1", socket.AF_INET, socket.inet_aton("192.0.2.1"))
    fcntl.ioctl(any_socket, 0x8916, address)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_a_spoken_turn_is_proven_to_stay_here(tmp_path: Path) -> None:
    run = aura(tmp_path, *PROVE, "--json")
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(run.stdout)
    assert found["verdict"] == "offline"
    turn = found["turn"]
    assert turn["heard"]
    assert turn["sources"]
    assert turn["audio_s"] > 0.5
    assert set(turn["engines"]) == {
        *("voice_activity", "turn_detector", "speech_to_text"),
        *("embedder", "language_model", "text_to_speech"),
    }
    assert found["python"]["refused"] == 0
    assert found["kernel"]["samples"] > 20
    assert found["kernel"]["foreign"] == []
    libraries = " ".join(found["native_libraries"])
    assert all(name in libraries for name in ("onnxruntime", "ctranslate2", "llama"))
    assert not [path for path in tmp_path.iterdir() if path.name == "home"], "the data folder is untouched"


@pytest.mark.namespace
def test_in_a_namespace_the_proof_says_so(tmp_path: Path) -> None:
    run = aura(tmp_path, *PROVE, wrapper=LOOPBACK_ONLY)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("Verdict: offline. Nothing left this machine, and nothing tried to.")
    assert "A network namespace with loopback alone" in run.stdout
    assert "a connection of native code to this machine was seen  yes" in run.stdout


def test_a_library_that_phones_home_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELL_TALE.replace("{way}", "by_python"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    run = aura(tmp_path / "museum", *PROVE, "--json")
    assert run.returncode == 1, run.stdout + run.stderr
    found = json.loads(run.stdout)
    assert found["verdict"] == "attempted"
    assert [attempt["target"] for attempt in found["python"]["attempts"]] == ["telemetry.example"]
    assert found["kernel"]["foreign"] == []


@pytest.mark.namespace
def test_native_code_that_phones_home_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELL_TALE.replace("{way}", "by_libc"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    wrapper = (*LOOPBACK_ONLY, sys.executable, "-c", ELSEWHERE_ON_LOOPBACK)
    run = aura(tmp_path / "museum", *PROVE, "--json", wrapper=wrapper)
    assert run.returncode == 1, run.stdout + run.stderr
    found = json.loads(run.stdout)
    assert found["verdict"] == "went out"
    assert found["kernel"]["foreign"] == [
        {"protocol": "udp", "remote_address": "192.0.2.1", "remote_port": 443}
    ]
    assert found["system_calls"].get("foreign", ["192.0.2.1:443"]) == ["192.0.2.1:443"]
    assert found["python"]["refused"] == 0, "Python's guard cannot see it"


def test_what_keeps_the_turn_from_running_is_told(tmp_path: Path) -> None:
    run = aura(tmp_path, *PROVE, "--home", str(tmp_path / "key"), "--json")
    assert run.returncode == 2, run.stdout + run.stderr
    assert json.loads(run.stdout)["error"]["code"] == "configuration_error"
