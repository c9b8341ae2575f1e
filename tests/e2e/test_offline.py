"""Nothing reaches another machine: the product works where there is no network, and never tries for one.

Besides the network namespace `strace`, where it is installed, lists every address that any process or
thread connects to, native code included; without it the namespace alone proves that nothing was needed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from aura_local.benchmark.questions import demo_questions
from tests.e2e.command_line import aura
from tests.e2e.product_server import FACT, HTTP_S, QUESTION, serve

pytestmark = [
    pytest.mark.namespace,
    pytest.mark.engines,
    pytest.mark.llama,
    pytest.mark.starter,
]

RAISE_LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    # SIOCSIFFLAGS with IFF_UP | IFF_RUNNING: a new namespace has its loopback down.
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
os.execvp(sys.argv[1], sys.argv[1:])
"""
LOOPBACK_ONLY = ("unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", RAISE_LOOPBACK)
ASK = """
import sys, urllib.request
url, key, question = sys.argv[1:]
headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
for path, body in (("/health?ready", None), ("/api/chat", question.encode())):
    with urllib.request.urlopen(urllib.request.Request(url + path, body, headers), timeout=60) as answer:
        print(answer.read().decode())
"""
ADDRESS = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([0-9a-f.:]+)"')


def traced(log: Path) -> Sequence[str]:
    """A wrapper that also notes every attempt to connect or to send to an address."""
    if shutil.which("strace") is None:
        return LOOPBACK_ONLY
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    return (*LOOPBACK_ONLY, "strace", "-f", "-qq", "--seccomp-bpf", "-e", calls, "-o", str(log))


def foreign_addresses(log: Path) -> set[str]:
    """Addresses outside this machine in a trace."""
    if not log.exists():
        return set()
    text = log.read_text(errors="replace")
    found = set(ADDRESS.findall(text))
    return {address for address in found if not address.startswith("127.") and address != "::1"}


def test_a_spoken_conversation_needs_no_network(copied_museum: Path, tmp_path: Path) -> None:
    log, report = tmp_path / "trace", tmp_path / "report.json"
    run = aura(
        copied_museum,
        *("demo", "--lockstep", "--json", str(report), "--output", str(tmp_path / "demo.wav")),
        wrapper=traced(log),
    )
    assert run.returncode == 0, run.stderr
    turns = json.loads(report.read_text())["turns"]
    assert len(turns) >= 6
    questions = demo_questions()
    assert [turn["said"] for turn in turns] == [question.spoken for question in questions]
    right = [question.answered_by(turn["answer"]) for question, turn in zip(questions, turns, strict=True)]
    assert sum(right) >= len(right) - 1
    assert foreign_addresses(log) == set()


def test_a_trace_that_leaves_the_machine_is_seen(tmp_path: Path) -> None:
    log = tmp_path / "trace"
    log.write_text(
        'connect(9, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.7")}, 16) = 0\n'
        "connect(9, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = -1\n'
        'connect(9, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.1")}, 16) = 0\n'
        'connect(9, {sa_family=AF_UNIX, sun_path="/run/socket"}, 110) = 0\n'
    )
    assert foreign_addresses(log) == {"192.0.2.7", "2001:db8::1"}


def test_the_server_starts_reads_and_answers_without_a_network(tmp_path: Path) -> None:
    """From an empty data folder on. Its loopback is its own, so the client is sent in after it."""
    with serve(tmp_path / "museum", wrapper=LOOPBACK_ONLY) as product:
        enter = ("nsenter", "--target", str(product.process.pid), "--user", "--net", "--preserve-credentials")
        question = json.dumps({"question": QUESTION})
        run = subprocess.run(
            [*enter, sys.executable, "-c", ASK, product.url, product.key, question],
            capture_output=True,
            text=True,
            timeout=HTTP_S,
            check=False,
        )
    assert run.returncode == 0, run.stderr
    health, answer = map(json.loads, run.stdout.splitlines())
    assert health["ready"] is True
    assert FACT in answer["answer"]
