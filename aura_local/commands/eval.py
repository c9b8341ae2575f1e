"""`aura eval retrieval|answers`"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from aura_local.commands.evaluation_output import progress_bars, show_answers, show_retrieval, write_report
from aura_local.commands.options import ProfileOption
from aura_local.commands.panels import INSTALLATION
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.engine import Engine
    from aura_local.engine_choice import Job
    from aura_local.evaluation.dataset import EvaluationSet
    from aura_local.evaluation.subject import Subject
    from aura_local.settings_sources import LoadedSettings

TENANT: Final = "Evaluation"

SetOption: TypeAlias = Annotated[
    Path, typer.Option("--set", help="Folder with docs/ and questions.jsonl.", exists=True, file_okay=False)
]
ReportOption: TypeAlias = Annotated[
    Path | None, typer.Option("--json", help="Write the report to this file.", dir_okay=False)
]
QuestionsOption: TypeAlias = Annotated[
    int | None, typer.Option(help="Questions of each type; all without it.", min=1)
]
SeedOption: TypeAlias = Annotated[int, typer.Option(help="Chooses the halves and the samples.")]


def register(application: typer.Typer) -> None:
    group = typer.Typer(help="Measure retrieval and answers on documents of your own.", no_args_is_help=True)
    group.command("retrieval")(retrieval)
    group.command("answers")(answers)
    application.add_typer(group, name="eval", rich_help_panel=INSTALLATION)


def retrieval(
    folder: SetOption,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also measure chunks of 1,000 characters, found two ways.")
    ] = False,
    report: ReportOption = None,
    questions: QuestionsOption = None,
    seed: SeedOption = 1,
    profile: ProfileOption = None,
) -> None:
    """Ask a set of questions and measure whether the passages that answer them are found.

    Uses a data folder of its own. docs/evaluation.md says what a set is and what the figures mean.
    """

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.evaluation.report import retrieval_report
        from aura_local.evaluation.retrieval_evaluation import evaluate_retrieval

        async with _opened(loaded, folder, "embedder") as (engine, subject, evaluation):
            outcome = await evaluate_retrieval(
                evaluation, subject, baselines=baselines, per_type=questions, seed=seed
            )
            result = retrieval_report(evaluation, outcome)
            result["conditions"] = _conditions(engine, subject, evaluation) | {
                "seed": seed,
                "passages": outcome.passages,
            }
        show_retrieval(result)
        if report is not None:
            write_report(report, result)

    _run(work, profile)


def answers(
    folder: SetOption,
    report: ReportOption = None,
    questions: QuestionsOption = None,
    seed: SeedOption = 1,
    profile: ProfileOption = "demo",
) -> None:
    """Ask a set of questions and measure whether the answers are right and cite the right place.

    Uses a data folder of its own, and the language model of the profile.
    """

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.evaluation.answer_evaluation import evaluate_answers
        from aura_local.evaluation.report import answer_report

        async with _opened(loaded, folder, "embedder", "language_model") as (engine, subject, evaluation):
            outcomes = await evaluate_answers(evaluation, subject, engine, per_type=questions, seed=seed)
            result = answer_report(outcomes)
            result["conditions"] = _conditions(engine, subject, evaluation) | {"seed": seed}
        show_answers(result)
        if report is not None:
            write_report(report, result)

    _run(work, profile)


def _run(work: Callable[[LoadedSettings], Awaitable[None]], profile: str | None) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="aura-eval-") as home:
        run_command(work, home=Path(home) / "home", profile=profile)


@asynccontextmanager
async def _opened(
    loaded: LoadedSettings, folder: Path, *jobs: Job
) -> AsyncIterator[tuple[Engine, Subject, EvaluationSet]]:
    """An engine, a tenant of it to fill, and the set. Raises `InvalidRequest` for a set that is not whole."""
    import secrets

    import anyio.to_thread

    from aura_local.commands.engines import engine_room_of, wait_for_engines
    from aura_local.engine import Engine
    from aura_local.evaluation.dataset import read_set
    from aura_local.evaluation.subject import Subject

    evaluation = await anyio.to_thread.run_sync(read_set, folder)
    room = await engine_room_of(loaded)
    # The data folder is for this once, and so is the passphrase where settings ask for one.
    async with Engine.open(loaded, room=room, passphrase=secrets.token_urlsafe) as engine:
        await wait_for_engines(engine, *jobs)
        tenant = await engine.catalog.create_tenant(TENANT)
        async with engine.leases.lease(tenant.id) as handle:
            with progress_bars() as progress:
                yield (
                    engine,
                    Subject(
                        handle=handle,
                        ingestion=engine.ingestion,
                        retriever=engine.retriever,
                        embedder=room.engine("embedder"),
                        upload_limit_bytes=engine.settings.limits.upload_bytes,
                        progress=progress,
                    ),
                    evaluation,
                )


def _conditions(engine: Engine, subject: Subject, evaluation: EvaluationSet) -> dict[str, Any]:
    from aura_local.benchmark.conditions import conditions

    return conditions(engine.status()) | {
        "documents": len(evaluation.documents),
        "failed_documents": dict(subject.failed),
    }
