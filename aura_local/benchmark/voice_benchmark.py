"""The voice benchmark: real server, real socket, real time; every figure from outside.

Two servers run side by side, one as shipped and one without speculation and fitted window, and take
turns utterance by utterance, so that their ratio does not depend on how busy the machine is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np

from aura_local.benchmark.conditions import conditions
from aura_local.benchmark.labelled_speech import VOICES, UtteranceMaker, open_speaker
from aura_local.benchmark.questions import MuseumQuestion, answerable_questions
from aura_local.benchmark.server_process import RunningServer, run_server
from aura_local.benchmark.voice_client import OUTPUT_RATE_HZ, VoiceClient, open_client
from aura_local.benchmark.voice_trials import InterruptionTrial, QuestionTrial, ask, interrupt
from aura_local.benchmark.word_errors import word_error_rate
from aura_local.data_files import data_folder
from aura_local.engine_room import EngineRoom
from aura_local.ports import SPEECH_RATE_HZ, Caller, Priority, Samples, SpeechToText

CONFIRMATION_MS: Final = 200
"""Speech that the detector wants before it takes an interruption for meant (`voice.barge_in_ms`)."""
COMPARED: Final = {"AURA_VOICE__SPECULATION": "false", "AURA_VOICE__FITTED_WINDOW": "false"}
STAGES: Final = (
    "pause_detected",
    "transcribed",
    "retrieved",
    "first_text",
    "first_audio_ready",
    "committed",
    "first_audio",
)

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    questions: int = 48
    compared: int = 24
    """Of the questions, asked of the server without speculation as well."""
    sentences: int = 50
    interruptions: int = 12


@dataclass(slots=True)
class _Results:
    questions: list[tuple[MuseumQuestion, QuestionTrial]] = field(default_factory=list)
    compared: list[QuestionTrial] = field(default_factory=list)
    pairs: list[tuple[QuestionTrial, QuestionTrial]] = field(default_factory=list)
    """The same utterance at both servers."""
    sentences: list[QuestionTrial] = field(default_factory=list)
    interruptions: list[InterruptionTrial] = field(default_factory=list)


async def run_voice_benchmark(room: EngineRoom, sizes: Sizes, *, seed: int, say: Say) -> dict[str, Any]:
    """Measure; `room` holds the shipped recogniser, which tells what was played. Returns the report."""
    results = _Results()
    async with AsyncExitStack() as stack:
        maker = UtteranceMaker(await stack.enter_async_context(open_speaker()), seed=seed)
        say("Starting two servers: as shipped, and without speculation and fitted window.")
        shipped = await _connect(stack, maker)
        plain = await _connect(stack, maker, COMPARED)
        await _ask_questions(maker, shipped, plain, sizes, results, say)
        await _speak_sentences(maker, shipped, sizes, results, say)
        await _interrupt(maker, shipped, room, sizes, results, say)
    return _report(results, room)


async def _connect(
    stack: AsyncExitStack, maker: UtteranceMaker, settings: dict[str, str] | None = None
) -> VoiceClient:
    server: RunningServer = await stack.enter_async_context(run_server(settings=settings))
    client: VoiceClient = await stack.enter_async_context(open_client(server, maker.room))
    # The first turn pays for opening the index and for first calls; it is not counted.
    await ask(client, await maker.speak("what time does the museum open", VOICES[0]))
    return client


async def _ask_questions(
    maker: UtteranceMaker,
    shipped: VoiceClient,
    plain: VoiceClient,
    sizes: Sizes,
    results: _Results,
    say: Say,
) -> None:
    questions = _spread(answerable_questions(), sizes.questions)
    utterances = await maker.make([question.spoken for question in questions])
    for number, (question, utterance) in enumerate(zip(questions, utterances, strict=True)):
        compared = number < sizes.compared
        order = [shipped, plain] if number % 2 == 0 else [plain, shipped]
        trials = {id(client): await ask(client, utterance) for client in (order if compared else [shipped])}
        trial = trials[id(shipped)]
        results.questions.append((question, trial))
        if compared:
            results.compared.append(trials[id(plain)])
            results.pairs.append((trial, trials[id(plain)]))
        say(f"question {number + 1} of {len(questions)}: {_in_words(trial)}")


async def _speak_sentences(
    maker: UtteranceMaker, client: VoiceClient, sizes: Sizes, results: _Results, say: Say
) -> None:
    text = (data_folder("models") / "sentences_dev.txt").read_text(encoding="utf-8")
    sentences = _spread(text.splitlines(), sizes.sentences)
    for number, utterance in enumerate(await maker.make(sentences)):
        trial = await ask(client, utterance)
        results.sentences.append(trial)
        say(f"sentence {number + 1} of {len(sentences)}: {_in_words(trial)}")


async def _interrupt(
    maker: UtteranceMaker,
    client: VoiceClient,
    room: EngineRoom,
    sizes: Sizes,
    results: _Results,
    say: Say,
) -> None:
    transcribe = _transcriber(room)
    questions = _spread(answerable_questions(), sizes.interruptions)
    for number, question in enumerate(questions):
        voice = VOICES[number % len(VOICES)]
        asked = await maker.speak(question.spoken, voice)
        over = await maker.speak("excuse me where is the exit", voice)
        trial = await interrupt(client, asked, over, transcribe)
        results.interruptions.append(trial)
        after = "never" if trial.silent_ms is None else f"after {trial.silent_ms:.0f} ms"
        where = f"interruption {number + 1} of {len(questions)}"
        say(f"{where}: silent {after} | {trial.remembered} | {trial.played}")


def _transcriber(room: EngineRoom) -> Callable[[Samples], Awaitable[str]]:
    from aura_local.audio.resample import resample

    recogniser: SpeechToText = room.engine("speech_to_text")

    async def transcribe(samples: Samples) -> str:
        speech = resample(samples, OUTPUT_RATE_HZ, SPEECH_RATE_HZ)
        caller = Caller("benchmark", Priority.BACKGROUND)
        return (await recogniser.transcribe(speech, language="en", caller=caller)).text

    return transcribe


def _report(results: _Results, room: EngineRoom) -> dict[str, Any]:
    trials = [trial for _, trial in results.questions]
    spoken = trials + results.sentences
    answered = [question.answered_by(trial.answer) for question, trial in results.questions]
    cited = [question.document in trial.documents for question, trial in results.questions]
    net = [max(0.0, t.silent_ms - CONFIRMATION_MS) for t in results.interruptions if t.silent_ms is not None]
    report: dict[str, Any] = {
        "first_audio_ms": _spread_of(trials),
        "cut_in_rate": _share([trial.cut_in for trial in spoken]),
        "cut_in_rate_of_paused": _share([t.cut_in for t in spoken if t.utterance.pause_s]),
        "word_error_rate": _words(results.sentences, paused=False),
        "word_error_rate_of_paused": _words(results.sentences, paused=True),
        "word_error_rate_of_questions": _words(trials, paused=False),
        "answered_correctly": _share(answered),
        "cited_correctly": _share(cited),
        "barge_in_ms": _percentiles(net),
        "barge_in_history_off_by_more_than_one": sum(t.words_off > 1 for t in results.interruptions),
        "tokens": _tokens(trials),
        "stages_ms": _stages(trials),
        "utterances": len(spoken),
        "utterances_with_pause": sum(bool(trial.utterance.pause_s) for trial in spoken),
        "without_speculation": {
            "first_audio_ms": _spread_of(results.compared),
            "cut_in_rate": _share([trial.cut_in for trial in results.compared]),
            "tokens": _tokens(results.compared),
            "stages_ms": _stages(results.compared),
            "utterances": len(results.compared),
        },
        "conditions": conditions(room.status),
    }
    both = [(a, b) for a, b in results.pairs if a.first_audio_ms and b.first_audio_ms]
    report["ratio"] = _ratio([b for _, b in both], [a for a, _ in both])
    return report


def _ratio(slower: Sequence[QuestionTrial], faster: Sequence[QuestionTrial]) -> float | None:
    """Of the medians over the same utterances; above 1 the first is slower."""
    if not slower:
        return None
    return round(float(np.median(_times(slower)) / np.median(_times(faster))), 2)


def _times(trials: Sequence[QuestionTrial]) -> list[float]:
    return [trial.first_audio_ms for trial in trials if trial.first_audio_ms is not None]


def _spread_of(trials: Sequence[QuestionTrial]) -> dict[str, float | None]:
    return _percentiles(_times(trials))


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p95": None}
    return {name: round(float(np.percentile(values, share)), 1) for name, share in (("p50", 50), ("p95", 95))}


def _stages(trials: Sequence[QuestionTrial]) -> dict[str, dict[str, float | None]]:
    return {
        stage: _percentiles([trial.stages_ms[stage] for trial in trials if stage in trial.stages_ms])
        for stage in STAGES
    }


def _tokens(trials: Sequence[QuestionTrial]) -> dict[str, int]:
    names = {
        "evaluated": "prompt_tokens_evaluated",
        "reused": "prompt_tokens_reused",
        "generated": "generated_tokens",
        "wasted": "wasted_tokens",
    }
    return {name: sum(trial.work.get(key, 0) for trial in trials) for name, key in names.items()}


def _words(trials: Sequence[QuestionTrial], *, paused: bool) -> float | None:
    chosen = [trial for trial in trials if bool(trial.utterance.pause_s) == paused]
    if not chosen:
        return None
    return round(word_error_rate((trial.utterance.text, trial.heard) for trial in chosen), 4)


def _share(values: Sequence[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def _spread(items: Sequence[T], count: int) -> list[T]:
    """`count` items, evenly spread over all of them."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def _in_words(trial: QuestionTrial) -> str:
    time = "no reply" if trial.first_audio_ms is None else f"first audio {trial.first_audio_ms:.0f} ms"
    return f"{time}{', cut in' if trial.cut_in else ''} | {trial.utterance.text} | {trial.heard}"
