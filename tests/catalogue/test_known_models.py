"""What is pinned, what the operator lists and what somebody brought are known beside what ships."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from aura_local.catalogue.known_models import known_models, known_store
from aura_local.catalogue.manifest import read_catalogue, shipped_catalogues
from aura_local.catalogue.models_folder import ModelsFolder
from aura_local.catalogue.profiles import models_of, read_profiles, shipped_profiles
from aura_local.catalogue.records import Pin, Records
from aura_local.catalogue.sources import HubSource
from aura_local.errors import ConfigurationError, NotFound
from tests.catalogue.made_models import write_files
from tests.support.model_hub import REPOSITORY, REVISION

OWN = f"""
[[model]]
name = "mine"
job = "embedder"
engine = "minilm"
description = "Ours"
licence = "MIT"
languages = ["en"]
memory_bytes = 1
synthetic = false
source = {{ kind = "hub", repository = "{REPOSITORY}", revision = "{REVISION}" }}
files = [{{ name = "model.bin", sha256 = "pinned on first download" }}]
"""


def own_catalogue(home: Path, text: str = OWN) -> Path:
    return write_files(home / "models", {"catalogue.toml": text.encode()})


def test_an_operators_catalogue_is_read_and_its_command_is_known(tmp_path: Path) -> None:
    own_catalogue(tmp_path)
    assert known_store(tmp_path).entry("mine").get == "aura models pull mine"


@pytest.mark.parametrize(
    ("good", "bad", "field"),
    [
        ('"Ours"', '"Ours"\ncolour = "red"', "colour"),
        ('name = "mine"', 'name = "whisper-tiny"', "name: 'whisper-tiny' is taken"),
        (REVISION, "main", "source.hub.revision"),
        (REPOSITORY, "https://elsewhere.example/x", "source.hub.repository"),
        ('"pinned on first download"', '"%s"' % ("0" * 64), "size_bytes"),
        ('"pinned on first download"', '"pinned"', "sha256"),
        ('licence = "MIT"', 'licence = "MIT"\nlicence_acceptance = true', "licence_notice"),
    ],
)
def test_a_catalogue_that_is_wrong_names_the_field(tmp_path: Path, good: str, bad: str, field: str) -> None:
    own_catalogue(tmp_path, OWN.replace(good, bad))
    with pytest.raises(ConfigurationError, match=field):
        known_models(tmp_path)


def test_only_downloads_may_be_pinned(tmp_path: Path) -> None:
    text = OWN.replace("synthetic = false", 'synthetic = false\nget = "git checkout"').splitlines()
    checkout = 'source = { kind = "checkout", path = "models/x" }'
    text = [checkout if line.startswith("source") else line for line in text]
    path = write_files(tmp_path, {"c.toml": "\n".join(text).encode()}) / "c.toml"
    with pytest.raises(ConfigurationError, match="only what is downloaded"):
        read_catalogue(path)


def test_a_pin_is_of_one_revision(tmp_path: Path) -> None:
    folder = own_catalogue(tmp_path)
    pin = Pin(size_bytes=3, sha256="1" * 64, at="2026-11-23")
    Records(folder).pin({f"{REPOSITORY}@{REVISION}/model.bin": pin})
    assert known_store(tmp_path).entry("mine").files[0].sha256 == "1" * 64
    own_catalogue(tmp_path, OWN.replace(REVISION, "f" * 40))
    assert not known_store(tmp_path).entry("mine").files[0].digest_known


def test_a_model_whose_pin_is_gone_is_not_trusted(tmp_path: Path) -> None:
    write_files(own_catalogue(tmp_path) / "mine", {"model.bin": b"abc"})
    store = known_store(tmp_path)
    with pytest.raises(Exception, match="first download was not recorded"):
        store.verify(store.entry("mine"))


def test_a_brought_entry_that_is_no_entry_stops_nothing(tmp_path: Path) -> None:
    foreign = {"name": "whisper-tiny"}
    write_files(tmp_path / "models", {"x/entry.json": b"{", "y/entry.json": json.dumps(foreign).encode()})
    write_files(tmp_path / "models", {"pins.json": b"no JSON"})
    assert known_models(tmp_path) == shipped_catalogues()


def test_an_interrupted_download_is_not_an_installed_model(tmp_path: Path) -> None:
    folder = ModelsFolder(own_catalogue(tmp_path))
    folder.prepare("mine")
    write_files(folder.files("mine"), {"model.bin": b"abc"})
    write_files(folder.parts("mine"), {"model.bin.part": b"abc"})
    store = known_store(tmp_path)
    assert {status.entry.name for status in store.available() if status.state != "missing"}.isdisjoint(
        {"mine"}
    )
    with pytest.raises(NotFound, match="nothing has been removed"):
        folder.remove("mine")


def test_a_model_is_used_exactly_when_an_engine_for_it_exists() -> None:
    for entry in shipped_catalogues():
        if entry.engine != "llama":  # it is there, but speaks ChatML alone
            installed = {point.name for point in entry_points(group=f"aura_local.{entry.job}")}
            assert (entry.waits_for is None) == (entry.engine in installed), entry.name


def test_every_profile_can_be_pulled_whole() -> None:
    entries = shipped_catalogues()
    assert list(shipped_profiles()) == ["tiny", "small", "balanced", "best", "gpu"]
    for name in shipped_profiles():
        models = models_of(name, entries)
        assert len({entry.job for entry in models}) == len(models) == 5
        for entry in models:
            assert entry.waits_for is None
            assert entry.licence_notice is None
            assert not entry.synthetic
            assert all(file.digest_known for file in entry.files if file.name != "MODEL_CARD")
    with pytest.raises(ConfigurationError, match="no profile 'huge'"):
        models_of("huge", entries)


def test_jobs_of_a_profile_are_the_jobs_of_its_models() -> None:
    by_name = {entry.name: entry for entry in shipped_catalogues()}
    for profile in shipped_profiles().values():
        assert {by_name[name].job: name for name in profile.models.values()} == profile.models


def test_a_profile_with_an_unknown_job_is_refused(tmp_path: Path) -> None:
    path = (
        write_files(
            tmp_path,
            {"p.toml": b'[tiny]\nmachine = "x"\ncores = 1\nmemory_gb = 1\n[tiny.models]\nears = "x"\n'},
        )
        / "p.toml"
    )
    with pytest.raises(ConfigurationError, match=r"tiny\.models\.ears"):
        read_profiles(path)


def test_the_catalogue_covers_many_languages_and_sizes() -> None:
    entries = shipped_catalogues()
    hub = [entry for entry in entries if isinstance(entry.source, HubSource)]
    voices = {entry.languages[0] for entry in hub if entry.job == "text_to_speech"}
    assert len([entry for entry in hub if entry.job == "text_to_speech"]) >= 12
    assert {"en", "de", "fr", "es", "it", "nl", "pl", "pt", "ru", "uk"} <= voices
    assert not any("3b-instruct" in entry.name and "qwen2.5" in entry.name for entry in entries)
    assert {"whisper-tiny", "whisper-base.en", "whisper-small", "whisper-large-v3-turbo"} <= {
        entry.name for entry in hub
    }
