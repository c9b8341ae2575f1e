"""What the evidence amounts to."""

from __future__ import annotations

from typing import Any

import pytest

from aura_local.commands.offline_proof import judge

SOCKET = {"protocol": "tcp", "remote_address": "192.0.2.7", "remote_port": 443}


def evidence(changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {
        "self_test": {"python_refused": True, "python_counted": True, "native_seen": True, "port": 4000},
        "turn": {"completed": True},
        "python": {"refused": 0, "permitted": {}},
        "kernel": {"foreign": [], "lookups": []},
        "system_calls": {"sockets": {}, "local": ["127.0.0.1:4000"], "foreign": [], "lookups": []},
    }
    return {name: values | changes.get(name, {}) for name, values in found.items()}


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "offline"),
        ({"kernel": {"foreign": [SOCKET]}}, "went out"),
        ({"kernel": {"lookups": [SOCKET]}}, "went out"),
        ({"system_calls": {"foreign": ["192.0.2.7:443"]}}, "went out"),
        ({"system_calls": {"lookups": ["127.0.0.53:53"]}}, "went out"),
        ({"python": {"permitted": {"login": 1}}}, "went out"),
        ({"python": {"refused": 1}}, "attempted"),
        ({"python": {"refused": 1}, "kernel": {"foreign": [SOCKET]}}, "went out"),
        ({"turn": {"completed": False}}, "unproven"),
        ({"turn": {"completed": False}, "python": {"refused": 1}}, "attempted"),
        ({"self_test": {"python_refused": False}}, "unproven"),
        ({"self_test": {"python_counted": False}}, "unproven"),
        ({"self_test": {"native_seen": False}}, "unproven"),
        ({"system_calls": {"local": []}}, "unproven"),
    ],
)
def test_the_worst_of_the_evidence_counts(changes: dict[str, dict[str, Any]], verdict: str) -> None:
    assert judge(evidence(changes)) == verdict


def test_without_a_trace_the_other_evidence_decides() -> None:
    untraced = evidence({}) | {"system_calls": {"obstacle": "strace is not installed"}}
    assert judge(untraced) == "offline"
    assert judge(untraced | {"kernel": {"foreign": [SOCKET], "lookups": []}}) == "went out"
