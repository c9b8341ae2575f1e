"""`aura demo`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, ProfileOption
from aura_local.commands.output import citation_json, source_line
from aura_local.commands.panels import CONVERSING
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.benchmark.spoken_conversation import SpokenTurn
    from aura_local.engine import Engine
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    application.command("demo", rich_help_panel=CONVERSING)(demo)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Stereo WAV to write: visitor left, AURA right.")
    ] = Path("aura-demo.wav"),
    report: Annotated[
        Path | None, typer.Option("--json", help="Also write the turns as JSON to this file.", dir_okay=False)
    ] = None,
    lockstep: Annotated[
        bool, typer.Option("--lockstep", help="As fast as the machine can instead of in real time.")
    ] = False,
    profile: ProfileOption = "demo",
    home: HomeOption = None,
) -> None:
    """A spoken visit to the museum: an espeak-ng visitor asks, AURA answers aloud, timings are printed."""

    async def work(loaded: LoadedSettings) -> None:
        await _demo(loaded, output, report, real_time=not lockstep)

    run_command(work, home=home, profile=profile)


async def _demo(loaded: LoadedSettings, output: Path, report: Path | None, *, real_time: bool) -> None:
    from aura_local.audio.wave_file import write_wave
    from aura_local.benchmark.labelled_speech import UtteranceMaker, open_speaker
    from aura_local.benchmark.questions import demo_questions
    from aura_local.benchmark.spoken_conversation import hold_conversation
    from aura_local.commands.opening import open_engine
    from aura_local.demo_tenant import ensure_demo_tenant

    async with open_engine(loaded) as engine, open_speaker() as speaker:
        print("Loading the engines ...", flush=True)
        await engine.ready()
        tenant, _ = await ensure_demo_tenant(
            engine, progress=lambda name, done, total: print(f"  document {done + 1} of {total}: {name}")
        )
        for status in engine.status():
            print(f"  {status.job.replace('_', ' ')}: {status.model}")
        maker = UtteranceMaker(speaker)
        utterances = await maker.make([question.spoken for question in demo_questions()], paused_share=0.0)
        turns: list[SpokenTurn] = []
        async with (
            engine.leases.lease(tenant.id) as handle,
            hold_conversation(engine, handle, maker, real_time=real_time) as conversation,
        ):
            async for turn in conversation.turns(utterances):
                _show(turn)
                turns.append(turn)
        await _write(report, turns, engine)
    write_wave(output, list(conversation.tracks()), conversation.sample_rate_hz)
    print(f"\nThe conversation is in {output} (visitor left, AURA right).")


def _show(turn: SpokenTurn) -> None:
    print(f"\nVisitor  {turn.said}\nheard    {turn.heard}\nAURA     {turn.answer}")
    for citation in turn.citations:
        print(f"source   {source_line(citation)}")
    stages = ", ".join(f"{name.replace('_', ' ')} {value:.0f}" for name, value in turn.stages_ms.items())
    print(f"ms after the last word: {stages}", flush=True)


async def _write(report: Path | None, turns: list[SpokenTurn], engine: Engine) -> None:
    if report is None:
        return
    import json

    import anyio

    from aura_local.benchmark.conditions import conditions

    value = {
        "turns": [
            {
                "said": turn.said,
                "heard": turn.heard,
                "answer": turn.answer,
                "citations": [citation_json(citation) for citation in turn.citations],
                "first_audio_ms": turn.first_audio_ms,
                "stages_ms": dict(turn.stages_ms),
            }
            for turn in turns
        ],
        "conditions": conditions(engine.status()),
    }
    await anyio.Path(report).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
