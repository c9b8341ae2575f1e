"""`auto` takes the best that is there, and never a model trained on synthetic speech."""

from __future__ import annotations

from typing import Any

import pytest

from aura_local.catalogue.manifest import ModelEntry, shipped_catalogues
from aura_local.engine_choice import DEMO_MODELS, JOBS, Choice, Job, choose
from aura_local.errors import ConfigurationError
from aura_local.settings import EngineSettings


def entry(name: str, job: str, engine: str, **fields: Any) -> ModelEntry:
    values = {
        "name": name,
        "job": job,
        "engine": engine,
        "description": "For a test",
        "licence": "Apache-2.0",
        "languages": ["en"],
        "memory_bytes": 1,
        "synthetic": False,
        "writes_punctuation": True if job == "speech_to_text" else None,
        "get": "get it",
        "source": {"kind": "checkout", "path": f"models/{name}"},
        "files": [{"name": "model.bin", "size_bytes": 1, "sha256": "0" * 64}],
    }
    return ModelEntry.model_validate(values | fields)


CATALOGUE = [
    entry("whisper-toy", "speech_to_text", "whisper", synthetic=True, parameters=900),
    entry("sphinx", "speech_to_text", "pocketsphinx"),
    entry("whisper-base", "speech_to_text", "whisper", parameters=74),
    entry("whisper-small", "speech_to_text", "whisper", parameters=244),
    entry("tiny", "language_model", "llama", parameters=135_000_000),
    entry("large", "language_model", "llama", parameters=7_000_000_000),
    entry("espeak", "text_to_speech", "espeak"),
    entry("piper-toy", "text_to_speech", "piper", synthetic=True),
    entry("piper-human", "text_to_speech", "piper"),
    entry("minilm", "embedder", "minilm"),
    entry("silero", "voice_activity", "silero"),
]


def pick(job: Job, *present: str, profile: str = "auto", **settings: str) -> Choice:
    return choose(job, EngineSettings(**settings), profile, CATALOGUE, frozenset(present))


def test_auto_takes_the_largest_that_is_there() -> None:
    assert pick("speech_to_text", "sphinx", "whisper-base", "whisper-small").model == "whisper-small"
    assert pick("speech_to_text", "sphinx", "whisper-base").model == "whisper-base"
    assert pick("speech_to_text", "sphinx").model == "sphinx"


def test_auto_prefers_a_human_voice_and_falls_back() -> None:
    assert pick("text_to_speech", "espeak", "piper-human").model == "piper-human"
    assert pick("text_to_speech", "espeak").model == "espeak"


def test_auto_never_takes_a_synthetic_model() -> None:
    assert pick("speech_to_text", "whisper-toy", "sphinx").model == "sphinx"
    assert pick("speech_to_text", "whisper-toy").model != "whisper-toy"
    assert pick("text_to_speech", "piper-toy", "espeak").model == "espeak"


def test_a_plugin_with_its_own_model_is_picked_by_its_name() -> None:
    adapters = frozenset({"piper", "espeak", "my_voice"})
    settings = EngineSettings(text_to_speech="my_voice")
    chosen = choose("text_to_speech", settings, "auto", CATALOGUE, frozenset(), adapters)
    assert chosen == Choice("text_to_speech", "my_voice", None)


def test_an_engine_is_not_picked_without_the_model_it_needs() -> None:
    settings = EngineSettings(text_to_speech="piper")
    with pytest.raises(ConfigurationError, match="piper-human"):
        choose("text_to_speech", settings, "auto", CATALOGUE, frozenset(), frozenset({"piper"}))


def test_without_a_language_model_answers_are_quoted() -> None:
    assert pick("language_model") == Choice("language_model", "extractive", None)
    assert pick("language_model").model == "extractive"
    assert pick("language_model", "tiny").model == "tiny"
    assert pick("language_model", "tiny", "large").model == "large"


def test_where_nothing_is_there_the_easiest_to_get_is_named() -> None:
    """Opening it says what is missing and which command gets it."""
    assert pick("speech_to_text").model == "sphinx"
    assert pick("text_to_speech").model == "espeak"


def test_a_name_beats_the_profile_and_what_is_there() -> None:
    assert pick("speech_to_text", "sphinx", speech_to_text="whisper-toy").model == "whisper-toy"
    assert pick("speech_to_text", profile="demo", speech_to_text="sphinx").model == "sphinx"
    assert pick("language_model", "large", language_model="extractive").entry is None


def test_a_name_that_does_not_exist_lists_those_that_do() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"engines\.language_model is 'gpt'; known are: auto, tiny, large, extractive",
    ):
        pick("language_model", language_model="gpt")


def test_a_model_of_another_job_is_no_model() -> None:
    with pytest.raises(ConfigurationError, match=r"engines\.text_to_speech"):
        pick("text_to_speech", text_to_speech="whisper-base")


def test_the_scripted_stand_ins_cannot_be_picked() -> None:
    for job in JOBS:
        with pytest.raises(ConfigurationError):
            pick(job, **{job: "scripted"})


def test_an_empty_catalogue_is_a_mistake_of_the_package() -> None:
    with pytest.raises(ConfigurationError, match="no model for embedder"):
        choose("embedder", EngineSettings(), "auto", [], frozenset())


@pytest.mark.parametrize("job", JOBS)
def test_the_shipped_catalogue_serves_every_job_in_both_profiles(job: Job) -> None:
    entries = shipped_catalogues()
    everything = frozenset(model.name for model in entries)
    chosen = choose(job, EngineSettings(), "auto", entries, everything)
    assert chosen.entry is None or not chosen.entry.synthetic
    demo = choose(job, EngineSettings(), "demo", entries, frozenset())
    assert demo.model == DEMO_MODELS.get(job, demo.model)
