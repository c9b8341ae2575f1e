"""`aura doctor --prove-offline`: a whole turn under watch, the evidence, and what it amounts to."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import typer

from aura_local.commands.failures import ExitCode, fail
from aura_local.commands.network_trace import NetworkTrace, read_trace, tracer
from aura_local.commands.output import print_json, print_table
from aura_local.confinement import confinement
from aura_local.egress import forbid_egress
from aura_local.errors import DeadlineExceeded

PROOF_WITHIN_S: Final = 600.0

Verdict: TypeAlias = Literal["offline", "went out", "attempted", "unproven"]

_MEANINGS: Final[dict[Verdict, str]] = {
    "offline": "Nothing left this machine, and nothing tried to.",
    "went out": "Something reached for another machine: see below.",
    "attempted": "Something tried to reach another machine and was refused: see below.",
    "unproven": "The turn or the watch did not work, so nothing is proven: see below.",
}
_CHILD: Final = "import sys; from aura_local.commands.watched_turn import main; main(*sys.argv[1:])"


def prove_offline(*, home: Path | None, profile: str | None, as_json: bool) -> ExitCode:
    """Run the proof and print it; `DONE` only when nothing went out and nothing tried to.

    The turn runs in a process of its own, for only a child may be traced everywhere. Its errors end this
    command as they ended the child.
    """
    forbid_egress()
    if not as_json:
        typer.echo("A spoken turn is watched; this takes about a minute ...", err=True)
    with tempfile.TemporaryDirectory(prefix="aura-trace-") as folder:
        log = Path(folder) / "trace"
        wrapper, obstacle = tracer(log)
        command = [*wrapper, sys.executable, "-P", "-c", _CHILD, str(home or ""), profile or ""]
        try:
            # Its own errors are told on standard error, as this command's.
            run = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, timeout=PROOF_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired:
            fail(DeadlineExceeded("The watched turn did not end in time."), as_json=as_json)
        if run.returncode != 0:
            if as_json:
                typer.echo(run.stdout, nl=False)
            return ExitCode(run.returncode) if run.returncode in list(ExitCode) else ExitCode.FAILED
        trace = read_trace(log.read_text(errors="replace").splitlines()) if wrapper else None
    evidence = json.loads(run.stdout)
    evidence |= {
        "confinement": asdict(confinement()),
        "system_calls": {"obstacle": obstacle} if trace is None else asdict(trace),
    }
    verdict = judge(evidence)
    if as_json:
        print_json({"verdict": verdict, **evidence})
    else:
        _print(verdict, evidence)
    return ExitCode.DONE if verdict == "offline" else ExitCode.FAILED


def judge(evidence: dict[str, Any]) -> Verdict:
    """What the evidence amounts to; the worst of it counts."""
    kernel, python, calls = (evidence[name] for name in ("kernel", "python", "system_calls"))
    traced = "obstacle" not in calls
    if kernel["foreign"] or kernel["lookups"] or python["permitted"]:
        return "went out"
    if traced and (calls["foreign"] or calls["lookups"]):
        return "went out"
    if python["refused"]:
        return "attempted"
    test = evidence["self_test"]
    works = test["python_refused"] and test["python_counted"] and test["native_seen"]
    if traced and f"127.0.0.1:{test['port']}" not in calls["local"]:
        works = False
    return "offline" if works and evidence["turn"]["completed"] else "unproven"


def _print(verdict: Verdict, evidence: dict[str, Any]) -> None:
    turn, test, python, kernel, calls = (
        evidence[name] for name in ("turn", "self_test", "python", "kernel", "system_calls")
    )
    print(f"Verdict: {verdict}. {_MEANINGS[verdict]}\n")
    engines = ", ".join(f"{job.replace('_', ' ')} {model}" for job, model in turn["engines"].items())
    print_table(
        ("the turn", ""),
        [
            ("asked aloud", turn["said"]),
            ("heard", turn["heard"] or "nothing"),
            ("answered", f"{turn['answer'] or 'nothing'} ({turn['audio_s']} s of speech)"),
            ("from", ", ".join(turn["sources"]) or "no document"),
            ("engines", engines),
        ],
    )
    print()
    works = {True: "yes", False: "NO"}
    print_table(
        ("the watch works", ""),
        [
            ("a connection of Python code to 192.0.2.1 was refused", works[test["python_refused"]]),
            ("it was counted", works[test["python_counted"]]),
            ("a connection of native code to this machine was seen", works[test["native_seen"]]),
        ],
    )
    print()
    print_table(
        ("seen during the turn", ""),
        [
            ("Python: refused", _listed([attempt["target"] for attempt in python["attempts"]])),
            ("Python: permitted", _counted(python["permitted"])),
            ("Python: sockets by family", _counted(python["sockets"])),
            ("kernel: looked", f"{kernel['samples']} times, own process and children"),
            ("kernel: Internet sockets", _listed(_targets(kernel["sockets"]))),
            ("kernel: to other machines", _listed(_targets(kernel["foreign"]))),
            ("kernel: name lookups", _listed(_targets(kernel["lookups"]))),
            *_system_call_rows(calls, test["port"]),
            ("native libraries", f"{len(evidence['native_libraries'])} loaded; --json names them"),
            ("confinement", evidence["confinement"]["explanation"]),
        ],
    )


def _system_call_rows(calls: dict[str, Any], port: int) -> list[tuple[str, str]]:
    if "obstacle" in calls:
        return [("system calls", f"not traced: {calls['obstacle']}")]
    trace = NetworkTrace(**calls)
    return [
        ("system calls: sockets by family", f"{_counted(trace.sockets)}; 3 INET for the watch's own test"),
        ("system calls: to this machine", f"{_listed(trace.local)}; port {port} for the watch's own test"),
        ("system calls: to other machines", _listed(trace.foreign)),
        ("system calls: name lookups", _listed(trace.lookups)),
    ]


def _targets(sockets: list[dict[str, Any]]) -> list[str]:
    return [f"{one['protocol']} {one['remote_address']} port {one['remote_port']}" for one in sockets]


def _listed(targets: list[str] | tuple[str, ...]) -> str:
    return ", ".join(targets) or "none"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
