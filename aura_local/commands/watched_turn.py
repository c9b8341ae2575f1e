"""One whole spoken turn under watch: what `aura doctor --prove-offline` runs in a process of its own."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import typer

from aura_local.commands.output import print_json
from aura_local.commands.running import run_command
from aura_local.commands.socket_watch import SeenSocket, SocketWatch
from aura_local.egress import denied_attempts, denied_count, egress_summary
from aura_local.errors import DocumentUnreadable, EgressDenied

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings

TURN_WITHIN_S: Final = 540.0
ELSEWHERE: Final = ("192.0.2.1", 443)
"""An address that belongs to nobody (RFC 5737): even if the guard failed, nobody would be reached."""
_SEEN_WITHIN_S: Final = 5.0


def main(home: str, profile: str) -> None:
    """Print the evidence as JSON and end the process. Empty arguments stand for options not given."""

    async def work(loaded: LoadedSettings) -> None:
        with anyio.fail_after(TURN_WITHIN_S):
            print_json(await watched_turn(loaded))

    try:
        run_command(work, home=Path(home) if home else None, profile=profile or None, as_json=True)
    except typer.Exit as end:
        sys.exit(end.exit_code)


async def watched_turn(loaded: LoadedSettings) -> dict[str, Any]:
    """The turn, and what was seen of the network from before the engines load until they are closed."""
    with SocketWatch() as watch:
        self_test = await anyio.to_thread.run_sync(_test_the_watch, watch)
        tried, begun = denied_count(), egress_summary()
        turn = await spoken_turn(loaded)
        libraries = await anyio.to_thread.run_sync(_native_libraries)
    sockets = watch.take()
    refused = denied_count() - tried
    summary = egress_summary()
    return {
        "self_test": self_test,
        "turn": turn,
        "python": {
            "refused": refused,
            "attempts": [asdict(attempt) for attempt in denied_attempts()[-refused:]] if refused else [],
            "permitted": dict(summary.permitted),
            "local_connections": summary.local - begun.local,
            "sockets": {
                family: count - begun.sockets.get(family, 0)
                for family, count in summary.sockets.items()
                if count > begun.sockets.get(family, 0)
            },
        },
        "kernel": {
            "samples": watch.samples,
            "sockets": [asdict(one) for one in sockets],
            "foreign": [asdict(one) for one in sockets if one.leaves_the_machine],
            "lookups": [asdict(one) for one in sockets if one.is_lookup],
        },
        "native_libraries": libraries,
    }


async def spoken_turn(loaded: LoadedSettings) -> dict[str, Any]:
    """Ask a question of the museum aloud and hear the answer, on data that is gone afterwards."""
    from aura_local.benchmark.labelled_speech import UtteranceMaker, open_speaker
    from aura_local.benchmark.questions import demo_questions
    from aura_local.benchmark.spoken_conversation import hold_conversation
    from aura_local.data_files import data_folder
    from aura_local.engine import Engine
    from aura_local.settings_sources import LoadedSettings

    question = next(one for one in demo_questions() if one.document)
    document = data_folder("knowledge") / "riverside_museum" / question.document
    with tempfile.TemporaryDirectory(prefix="aura-proof-") as folder:
        places = {
            "home": Path(folder) / "home",
            "master_key_source": "file",
            "master_key_file": Path(folder) / "keys" / "master.key",
        }
        apart = LoadedSettings(loaded.values.model_copy(update=places), loaded.sources, loaded.file)
        async with Engine.open(apart) as engine, open_speaker() as speaker:
            await engine.ready()
            tenant = await engine.catalog.create_tenant("Proof of offline")
            maker = UtteranceMaker(speaker)
            (utterance,) = await maker.make([question.spoken], paused_share=0.0)
            async with engine.leases.lease(tenant.id) as handle:
                accepted = await engine.ingestion.add(handle, document.name, _content(document))
                record = await engine.ingestion.index(handle, accepted.id)
                if record.status != "indexed":
                    raise DocumentUnreadable(f"{document.name} was not indexed: {record.reason}")
                async with hold_conversation(engine, handle, maker, real_time=False) as conversation:
                    await conversation.wait(0.5)
                    turn = await conversation.ask(utterance)
                _, heard = conversation.tracks()
            engines = {status.job: status.model for status in engine.status()}
    audio_s = float((heard != 0).sum()) / conversation.sample_rate_hz
    return {
        "completed": bool(turn.heard and turn.answer and audio_s and not turn.failure),
        "said": turn.said,
        "heard": turn.heard,
        "answer": turn.answer,
        "sources": [citation.document for citation in turn.citations],
        "audio_s": round(audio_s, 2),
        "engines": engines,
    }


async def _content(path: Path) -> AsyncIterator[bytes]:
    yield await anyio.Path(path).read_bytes()


def _test_the_watch(watch: SocketWatch) -> dict[str, Any]:
    """Whether a forbidden call is refused and counted, and a socket made behind Python's back is seen.

    The second stays on this machine: libc connects to a port that we listen on.
    """
    before = denied_count()
    refused = False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(ELSEWHERE)
        except EgressDenied:
            refused = True
    target = f"{ELSEWHERE[0]}:{ELSEWHERE[1]}"
    counted = denied_count() == before + 1 and denied_attempts()[-1].target == target
    port, native_seen = 0, False
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            descriptor = _connect_by_libc(port)
            try:
                expected = SeenSocket("tcp", "127.0.0.1", port)
                native_seen = watch.wait_for(lambda seen: seen == expected, _SEEN_WITHIN_S)
            finally:
                os.close(descriptor)
    except OSError:
        native_seen = False  # no loopback here
    watch.take()
    return {
        "python_refused": refused,
        "python_counted": counted,
        "native_seen": native_seen,
        "port": port,
    }


def _connect_by_libc(port: int) -> int:
    """A connected descriptor that no audit hook has heard of. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    address = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, socket.inet_aton("127.0.0.1"))
    if descriptor < 0 or libc.connect(descriptor, address, len(address)) != 0:
        raise OSError(ctypes.get_errno(), "libc cannot connect to this machine")
    return descriptor


def _native_libraries() -> list[str]:
    """File names of the shared libraries in this process."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    names = {line.rpartition("/")[2] for line in lines if "/" in line}
    return sorted(name for name in names if ".so" in name)
