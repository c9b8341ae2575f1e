"""A catalogue that is not exactly right is refused, and the refusal names the file and the field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aura_local.catalogue.manifest import read_catalogue, read_catalogues, shipped_catalogues
from aura_local.catalogue.sources import CheckoutSource, PackageSource
from aura_local.errors import ConfigurationError

GOOD = """
[[model]]
name = "ear"
job = "speech_to_text"
engine = "whisper"
description = "hears"
licence = "MIT"
languages = ["en"]
parameters = 1_000
memory_bytes = 2_000
synthetic = false
dynamic_window = true
writes_punctuation = true
word_error_rate = 0.05
get = "pip install ear"
source = { kind = "package", distribution = "ear", version = "1.0", path = "ear/data" }
files = [{ name = "model.bin", size_bytes = 3, sha256 = "%s" }]
""" % ("0" * 64)


def catalogue(folder: Path, text: str, name: str = "catalogue.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_an_entry_is_read_whole(tmp_path: Path) -> None:
    (entry,) = read_catalogue(catalogue(tmp_path, GOOD))
    assert (entry.name, entry.job, entry.engine) == ("ear", "speech_to_text", "whisper")
    assert (entry.languages, entry.parameters, entry.size_bytes) == (("en",), 1000, 3)
    assert (entry.dynamic_window, entry.writes_punctuation, entry.word_error_rate) == (True, True, 0.05)
    assert entry.source == PackageSource(kind="package", distribution="ear", version="1.0", path="ear/data")
    assert entry.repair == "pip install --force-reinstall --no-deps ear==1.0"


@pytest.mark.parametrize(
    ("good", "bad", "field"),
    [
        ('licence = "MIT"', 'license = "MIT"', "licence"),
        ("synthetic = false", 'synthetic = false\ncolour = "red"', "colour"),
        ("synthetic = false", 'synthetic = "no"', "synthetic"),
        ("synthetic = false", "", "synthetic"),
        ('"%s"' % ("0" * 64), '"%s"' % ("0" * 63), r"files\[0\].sha256"),
        ('"%s"' % ("0" * 64), '"%s"' % ("A" * 64), r"files\[0\].sha256"),
        ("size_bytes = 3", "size_bytes = 0", r"files\[0\].size_bytes"),
        ("size_bytes = 3", "bytes = 3", r"files\[0\]"),
        ('name = "model.bin"', 'name = "../model.bin"', r"files\[0\].name"),
        ('name = "model.bin"', 'name = "/model.bin"', r"files\[0\].name"),
        ('path = "ear/data"', 'path = "ear/../../etc"', "source.package.path"),
        ('kind = "package"', 'kind = "internet"', "source"),
        ('job = "speech_to_text"', 'job = "speach_to_text"', "job"),
        ('job = "speech_to_text"', 'job = "embedder"', "for speech_to_text only"),
        ("writes_punctuation = true", "", "writes_punctuation"),
        ("word_error_rate = 0.05", "word_error_rate = -1.0", "word_error_rate"),
        ('get = "pip install ear"', 'get = "pip install ear\\nreboot"', "get"),
    ],
)
def test_a_wrong_field_is_refused_by_name(tmp_path: Path, good: str, bad: str, field: str) -> None:
    assert good in GOOD
    path = catalogue(tmp_path, GOOD.replace(good, bad, 1))
    with pytest.raises(ConfigurationError, match=field) as refusal:
        read_catalogue(path)
    assert str(path) in refusal.value.message
    assert "model[0] (ear)" in refusal.value.message


def test_a_file_listed_twice_is_refused(tmp_path: Path) -> None:
    line = GOOD[GOOD.index("files = [") + len("files = [") : GOOD.rindex("]")]
    with pytest.raises(ConfigurationError, match="files: a name is listed twice"):
        read_catalogue(catalogue(tmp_path, GOOD.replace(line, f"{line}, {line}")))


def test_a_name_may_occur_once_in_all_catalogues(tmp_path: Path) -> None:
    first, second = catalogue(tmp_path, GOOD, "first.toml"), catalogue(tmp_path, GOOD, "second.toml")
    with pytest.raises(ConfigurationError, match=r"second.toml: name: 'ear' is taken by .*first.toml"):
        read_catalogues([first, second])
    with pytest.raises(ConfigurationError, match="'ear' is taken"):
        read_catalogues([catalogue(tmp_path, GOOD + GOOD)])


@pytest.mark.parametrize(
    "text", ["[[model", "", "[model]\nname = 'x'", GOOD + "\n[other]\nx = 1", "model = [1]"]
)
def test_what_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"catalogue\.toml"):
        read_catalogue(catalogue(tmp_path, text))


def test_an_absent_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read"):
        read_catalogue(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"binary\.toml: is not TOML"):
        read_catalogue(tmp_path / "binary.toml")


def test_the_shipped_catalogues_cover_every_job() -> None:
    entries = {entry.name: entry for entry in shipped_catalogues()}
    assert {entry.job for entry in entries.values()} == {
        "speech_to_text",
        "language_model",
        "text_to_speech",
        "embedder",
        "voice_activity",
        "turn_detector",
    }
    # `auto` never picks these two; a window may be cut only for the model that was trained for it.
    assert {name for name, entry in entries.items() if entry.synthetic} == {
        "whisper-synthetic-tiny",
        "piper-synthetic",
    }
    assert {name for name, entry in entries.items() if entry.dynamic_window} == {"whisper-synthetic-tiny"}
    assert entries["whisper-synthetic-tiny"].source == CheckoutSource(
        kind="checkout", path="models/whisper-synthetic-tiny"
    )


def test_entries_are_immutable() -> None:
    entry: Any = shipped_catalogues()[0]
    with pytest.raises(ValueError, match="frozen"):
        entry.synthetic = True
