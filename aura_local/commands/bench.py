"""`aura bench voice|answers|retrieval|footprint`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aura_local.commands.options import HomeOption, ProfileOption
from aura_local.commands.output import print_table
from aura_local.commands.panels import INSTALLATION
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.benchmark.retrieval_benchmark import RetrievalSizes
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    group = typer.Typer(help="Measure this installation.", no_args_is_help=True)
    group.command("voice")(voice)
    group.command("answers")(answers)
    group.command("retrieval")(retrieval)
    group.command("footprint")(footprint)
    application.add_typer(group, name="bench", rich_help_panel=INSTALLATION)


def voice(
    report: Annotated[
        Path | None, typer.Option("--json", help="Write the report to this file.", dir_okay=False)
    ] = None,
    questions: Annotated[int, typer.Option(help="Museum questions asked aloud.", min=2)] = 48,
    compared: Annotated[int, typer.Option(help="Of these, also asked without speculation.", min=0)] = 24,
    sentences: Annotated[int, typer.Option(help="Sentences for the word error rate.", min=0)] = 50,
    interruptions: Annotated[int, typer.Option(help="Replies that are talked over.", min=0)] = 12,
    seed: Annotated[int, typer.Option(help="Chooses where sentences pause.")] = 7,
    home: HomeOption = None,
) -> None:
    """Talk to a real server in real time and measure it from outside (about 12 minutes).

    Uses the demo profile, data folders of its own, and the voices of espeak-ng.
    """

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.benchmark.voice_benchmark import Sizes, run_voice_benchmark
        from aura_local.commands.engines import open_engine_room

        sizes = Sizes(questions, compared, sentences, interruptions)
        async with open_engine_room(loaded) as room:
            result = await run_voice_benchmark(room, sizes, seed=seed, say=_say)
        _show(result, "Voice, from the labelled last speech sample")
        if report is not None:
            _write(report, result)

    run_command(work, home=home, profile="demo")


def answers(
    report: Annotated[
        Path | None, typer.Option("--json", help="Write the report to this file.", dir_okay=False)
    ] = None,
    questions: Annotated[
        int | None, typer.Option(help="Questions of each kind; all without it.", min=1)
    ] = None,
    profile: ProfileOption = "demo",
) -> None:
    """Ask the museum's questions as text: generated, quoted, and drafted then checked (about 3 minutes).

    Uses a data folder of its own.
    """
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="aura-bench-") as folder:

        async def work(loaded: LoadedSettings) -> None:
            result = await _answers(loaded, questions)
            _show(result, "Answers to typed questions")
            if report is not None:
                _write(report, result)

        run_command(work, home=Path(folder) / "home", profile=profile)


def retrieval(
    report: Annotated[
        Path | None, typer.Option("--json", help="Write the report to this file.", dir_okay=False)
    ] = None,
    passages: Annotated[int, typer.Option(help="Passages to search.", min=100)] = 20_000,
    small_files: Annotated[int, typer.Option(help="Small files that are indexed apart.", min=0)] = 100,
    questions: Annotated[int, typer.Option(help="Questions asked.", min=1)] = 200,
    texts: Annotated[
        Path | None,
        typer.Option(
            help="Take sentences from the .md and .txt files of this folder; else from the museum's.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses the sentences.")] = 7,
    profile: ProfileOption = "demo",
) -> None:
    """Index many documents, then search them: passages per second, milliseconds, recall (about 6 minutes).

    Uses a data folder of its own.
    """
    from tempfile import TemporaryDirectory

    from aura_local.benchmark.retrieval_benchmark import RetrievalSizes

    sizes = RetrievalSizes(passages=passages, small_files=small_files, questions=questions)
    with TemporaryDirectory(prefix="aura-bench-") as folder:

        async def work(loaded: LoadedSettings) -> None:
            result = await _retrieval(loaded, sizes, texts, seed)
            _show(result, "Documents in, passages found")
            if report is not None:
                _write(report, result)

        run_command(work, home=Path(folder) / "home", profile=profile)


def footprint(
    report: Annotated[
        Path | None, typer.Option("--json", help="Write the report to this file.", dir_okay=False)
    ] = None,
) -> None:
    """Measure start, memory per conversation and tenant, and what is imported (about 2 minutes)."""

    async def work(_: LoadedSettings) -> None:
        from dataclasses import asdict

        from aura_local.benchmark.footprint import measure_footprint

        result = asdict(await measure_footprint())
        _show(result, "Footprint of the demo profile")
        if report is not None:
            _write(report, result)

    run_command(work, profile="demo")


async def _answers(loaded: LoadedSettings, questions: int | None) -> dict[str, Any]:
    import secrets

    from aura_local.benchmark.answer_benchmark import run_answer_benchmark
    from aura_local.commands.engines import engine_room_of
    from aura_local.demo_tenant import ensure_demo_tenant
    from aura_local.engine import Engine

    room = await engine_room_of(loaded)
    # The data folder is for this once, and so is the passphrase where settings ask for one.
    async with Engine.open(loaded, room=room, passphrase=secrets.token_urlsafe) as engine:
        await engine.ready()
        tenant, _ = await ensure_demo_tenant(engine)
        async with engine.leases.lease(tenant.id) as handle:
            return await run_answer_benchmark(engine, handle, room, questions=questions, say=_say)


async def _retrieval(
    loaded: LoadedSettings, sizes: RetrievalSizes, texts: Path | None, seed: int
) -> dict[str, Any]:
    import secrets

    from aura_local.benchmark.retrieval_benchmark import run_retrieval_benchmark
    from aura_local.benchmark.varied_text import VariedText, sentences_below
    from aura_local.commands.engines import engine_room_of
    from aura_local.data_files import data_folder
    from aura_local.engine import Engine
    from aura_local.errors import InvalidRequest

    try:
        text = VariedText(sentences_below(texts or data_folder("knowledge")), seed)
    except ValueError as error:
        raise InvalidRequest("The folder has no .md or .txt file with sentences.") from error
    room = await engine_room_of(loaded)
    async with Engine.open(loaded, room=room, passphrase=secrets.token_urlsafe) as engine:
        await engine.ready()
        tenant = await engine.catalog.create_tenant("Retrieval benchmark")
        async with engine.leases.lease(tenant.id) as handle:
            embedder = room.engine("embedder")
            return await run_retrieval_benchmark(engine, handle, embedder, text, sizes, say=_say)


def _say(line: str) -> None:
    print(line, flush=True)


def _show(result: dict[str, Any], title: str) -> None:
    rows = [(name, _cell(value)) for name, value in result.items() if name != "conditions"]
    print_table(("figure", "measured"), rows, title=title)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(inner)}" for name, inner in value.items())
    return str(value)


def _write(path: Path, result: dict[str, Any]) -> None:
    import json

    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
