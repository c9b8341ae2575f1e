"""The runs of scripts/torture. Each says what it asks for, measures, and names what does not hold."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from bundle_run import bundle
from knowledge_runs import KNOWLEDGE_RUNS, hostile_figures, print_outcome
from safety_runs import SAFETY_RUNS, SIZES

from aura_local.benchmark.bad_files import Outcome, files_of, still_answers, transcribe_recordings
from aura_local.benchmark.conditions import conditions
from aura_local.benchmark.echo_matrix import acoustics_of, hear_own_voice, speak_over
from aura_local.benchmark.hostile_documents import send_hostile
from aura_local.benchmark.labelled_speech import UtteranceMaker, open_speaker
from aura_local.benchmark.nonspeech import react_to, recorded_sounds, synthetic_sounds
from aura_local.benchmark.process_figures import MB, look_at
from aura_local.benchmark.questions import answerable_questions
from aura_local.benchmark.server_process import run_server
from aura_local.benchmark.session_load import cycle_sessions, visit_at_once
from aura_local.catalogue.manifest import shipped_catalogues
from aura_local.catalogue.store import ModelStore
from aura_local.demo_tenant import ensure_demo_tenant
from aura_local.egress import forbid_egress
from aura_local.engine import Engine
from aura_local.engine_room import EngineRoom
from aura_local.settings_sources import load_settings

CYCLES = dict(zip(SIZES, (100, 1_000, 10_000), strict=True))
AT_ONCE = dict(zip(SIZES, (8, 10, 10), strict=True))
ROUNDS = dict(zip(SIZES, (2, 20, 200), strict=True))
NOISE_S = dict(zip(SIZES, (10.0, 60.0, 600.0), strict=True))
ECHOES = dict(zip(SIZES, (25, 100, 500), strict=True))
INTERRUPTED_SHARE = 0.95
GROWTH_MB = 20.0
"""Caches and the allocator's pieces over the first hundred sessions; a leak passes it sooner or later."""
CONVERSATION_MB = 15.0
CLIPS_ANSWERED = 1
"""Of the recorded clips without speech, the most that may start a reply."""
SETTINGS = {"AURA_LIMITS__RESUME_S": "0.5", "AURA_LIMITS__DISK_RESERVE_BYTES": "0"}

Run = Callable[[str], Awaitable[tuple[dict[str, Any], list[str]]]]
"""Takes the size; returns figures, and what does not hold."""


async def sessions(size: str) -> tuple[dict[str, Any], list[str]]:
    cycles = CYCLES[size]
    print(f"{cycles} times: connect, ask aloud, hear the reply begin, leave or drop the line.", flush=True)
    questions = [question.spoken for question in answerable_questions()[:16]]
    async with open_speaker() as speaker, run_server(settings=SETTINGS) as server:
        maker = UtteranceMaker(speaker)
        utterances = await maker.make(questions, paused_share=0)
        left = await cycle_sessions(server, utterances, maker.room, cycles=cycles)
    wrong = [f"{cycles - left.answered} were not answered"] if left.answered < cycles else []
    for name in ("threads", "descriptors", "tasks", "sessions_open"):
        if getattr(left, name) > 0:
            wrong.append(f"{getattr(left, name)} {name} are left")
    if left.resident_mb > GROWTH_MB:
        wrong.append(f"memory has grown by {left.resident_mb} MB")
    return asdict(left), wrong


async def parallel(size: str) -> tuple[dict[str, Any], list[str]]:
    count, rounds = AT_ONCE[size], ROUNDS[size]
    print(f"{count} sessions at once, {rounds} questions each, aloud and in real time.", flush=True)
    questions = answerable_questions()
    asked = [questions[place % len(questions)] for place in range(count * rounds)]
    async with open_speaker() as speaker, run_server(settings=SETTINGS) as server:
        maker = UtteranceMaker(speaker)
        utterances = await maker.make([question.spoken for question in asked], paused_share=0)
        by_session = [utterances[place::count] for place in range(count)]
        before = look_at(server.process_id).resident_bytes
        visits = await visit_at_once(server, by_session, maker.room)
        grown_mb = (look_at(server.process_id).resident_bytes - before) / MB / count
    known = {question.spoken: question for question in asked}
    wrong = [f"{visit.said!r}: {visit.errors or 'no whole reply'}" for visit in visits if not visit.finished]
    right = sum(known[visit.said].answered_by(visit.answer) for visit in visits)
    cited = sum(known[visit.said].document in visit.documents for visit in visits)
    if len(visits) < len(asked):
        wrong.append(f"{len(asked) - len(visits)} questions were never finished")
    if right < 0.85 * len(asked):
        wrong.append(f"{right} of {len(asked)} answers are right, at least 85 % are asked for")
    if grown_mb > CONVERSATION_MB:
        wrong.append(f"each session adds {grown_mb:.1f} MB, at most {CONVERSATION_MB:g} are allowed")
    figures = {"sessions": count, "questions": len(asked), "finished": sum(v.finished for v in visits)}
    return figures | {"right": right, "cited": cited, "mb_per_session": round(grown_mb, 2)}, wrong


async def bad_input(size: str) -> tuple[dict[str, Any], list[str]]:
    folder = _evaluations() / "badinput"
    print(f"Every file of {folder.name}: uploaded as a document, the audio also transcribed.", flush=True)
    async with run_server(settings=SETTINGS) as server:
        files = {str(path.relative_to(folder)): path.read_bytes for path in files_of(folder)}
        sent = await send_hostile(server, files, until_indexed=True, tell=print_outcome)
        alive = await still_answers(server)
    async with _engine_room() as room:
        heard = await transcribe_recordings(room.engine("speech_to_text"), folder / "audio")
    for outcome in heard:
        print_outcome(outcome)
    wrong = [f"{outcome.file}: {outcome.result} {outcome.message}" for outcome in _unclear(heard)]
    if not alive:
        wrong.append("afterwards the server does not answer")
    figures = {"documents": hostile_figures(sent), "audio": _results(heard), "server_lives": alive}
    return figures, sent.wrong + wrong


async def nonspeech(size: str) -> tuple[dict[str, Any], list[str]]:
    manifest = _evaluations() / "speech" / "dev" / "nonspeech.jsonl"
    clips = await recorded_sounds(manifest)
    noises = synthetic_sounds(seconds=NOISE_S[size])
    print(f"{len(noises)} synthetic noises of {NOISE_S[size]:g} s, {len(clips)} recorded clips.", flush=True)
    async with _engine() as engine:
        tenant, _ = await ensure_demo_tenant(engine)
        async with engine.leases.lease(tenant.id) as handle:
            reactions = [await react_to(engine, handle, sound) for sound in [*noises, *clips]]
    synthetic, recorded = reactions[: len(noises)], reactions[len(noises) :]
    wrong = [
        f"{reaction.name} started {reaction.replies} replies" for reaction in synthetic if reaction.replies
    ]
    answered = [reaction.name for reaction in recorded if reaction.replies]
    if len(answered) > CLIPS_ANSWERED:
        wrong.append(f"{len(answered)} clips started a reply: {', '.join(answered)}")
    figures = {
        "synthetic_sounds": len(synthetic),
        "synthetic_with_reply": sum(reaction.replies > 0 for reaction in synthetic),
        "clips": len(recorded),
        "clips_with_reply": answered,
        "clips_taken_for_speech": [reaction.name for reaction in recorded if reaction.speech_starts],
    }
    return figures, wrong


async def echo(size: str, seed: int) -> tuple[dict[str, Any], list[str]]:
    count = ECHOES[size]
    print(f"{count} replies over their own echo, and {count} with a question spoken over them.", flush=True)
    asked = [question.spoken for question in answerable_questions()]
    async with open_speaker() as speaker, _engine() as engine:
        utterances = await UtteranceMaker(speaker).make(asked, paused_share=0)
        tenant, _ = await ensure_demo_tenant(engine)
        async with engine.leases.lease(tenant.id) as handle:
            alone, over = [], []
            for place, acoustics in enumerate(acoustics_of(count, seed)):
                first, second = (utterances[(place + step) % len(utterances)] for step in (0, 7))
                alone.append(await hear_own_voice(engine, handle, acoustics, first))
                wait_s = 0.4 + 0.1 * (place % 6)
                over.append(await speak_over(engine, handle, acoustics, (first, second), wait_s))
    wrong = [f"{case.false_turns} false turns: {case}" for case in alone if case.false_turns]
    unanswered = sum(not case.answered for case in [*alone, *over])
    if unanswered:
        wrong.append(f"{unanswered} questions were not answered")
    interrupted = sum(case.interrupted for case in over)
    if interrupted < INTERRUPTED_SHARE * count:
        wrong.append(f"{interrupted} of {count} questions interrupted, 95 % are asked for")
    missed = [[case.delay_ms, case.echo_db] for case in over if not case.interrupted]
    figures = {"replies": count, "false_turns": sum(case.false_turns for case in alone)}
    return figures | {"spoken_over": count, "interrupted": interrupted, "missed_ms_db": missed}, wrong


RUNS: dict[str, Run] = {
    "sessions": sessions,
    "parallel": parallel,
    "bad-input": bad_input,
    "nonspeech": nonspeech,
    "bundle": bundle,
}
SEEDED_RUNS = {"echo": echo, **SAFETY_RUNS, **KNOWLEDGE_RUNS}


@asynccontextmanager
async def _engine_room() -> AsyncIterator[EngineRoom]:
    room = EngineRoom(load_settings({"profile": "demo"}, {}).values, ModelStore(shipped_catalogues()))
    try:
        await room.load()
        yield room
    finally:
        await room.close()


@asynccontextmanager
async def _engine() -> AsyncIterator[Engine]:
    with TemporaryDirectory(prefix="aura-torture-") as folder:
        place = Path(folder)
        arguments = {"home": place / "home", "master_key_file": place / "key", "profile": "demo"}
        async with Engine.open(load_settings(arguments | {"limits.disk_reserve_bytes": 0}, {})) as engine:
            await engine.ready()
            yield engine


def _evaluations() -> Path:
    folder = os.environ.get("AURA_EVALS")
    if not folder:
        sys.exit("error: set AURA_EVALS to the folder with the evaluation data")
    return Path(folder)


def _unclear(outcomes: list[Outcome]) -> Iterator[Outcome]:
    return (outcome for outcome in outcomes if not outcome.clear)


def _results(outcomes: list[Outcome]) -> dict[str, int]:
    found = [outcome.result for outcome in outcomes]
    return {result: found.count(result) for result in sorted(set(found))}


async def _run(names: list[str], size: str, seed: int) -> dict[str, Any]:
    report: dict[str, Any] = {"size": size, "seed": seed, "conditions": conditions(())}
    for name in names:
        print(f"== {name}", flush=True)
        run = RUNS.get(name)
        figures, wrong = await (SEEDED_RUNS[name](size, seed) if run is None else run(size))
        report[name] = {**figures, "wrong": wrong}
        print(json.dumps(figures, indent=2))
        print("\n".join(f"WRONG: {line}" for line in wrong) or "holds", flush=True)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/torture", description=__doc__)
    parser.add_argument("name", choices=[*RUNS, *SEEDED_RUNS, "all"])
    parser.add_argument("--size", choices=SIZES, default=SIZES[0])
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="of an earlier run")
    parser.add_argument("--json", type=Path, metavar="REPORT", help="also write the figures to this file")
    arguments = parser.parse_args()
    forbid_egress()
    names = [*RUNS, *SEEDED_RUNS] if arguments.name == "all" else [arguments.name]
    report = anyio.run(_run, names, arguments.size, arguments.seed)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 1 if any(report[name]["wrong"] for name in names) else 0


if __name__ == "__main__":
    sys.exit(main())
