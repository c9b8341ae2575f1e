"""The profiles of `models/profiles.toml`: one model for each job, for a size of machine. Layer 2."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from aura_local.catalogue.manifest import Job, ModelEntry
from aura_local.catalogue.sources import Name, Table
from aura_local.data_files import data_folder
from aura_local.errors import ConfigurationError


class Profile(Table):
    """One profile. `models` names an entry for every job that it covers.

    `cores`, `memory_gb` and, for one that needs a GPU, `gpu_memory_gb` are the size of machine that it is
    for, as it stands on the label; `machine` says it in words.
    """

    machine: str = Field(min_length=1)
    cores: int = Field(gt=0)
    memory_gb: int = Field(gt=0)
    gpu_memory_gb: int | None = Field(default=None, gt=0)
    models: dict[Job, Name]


_PROFILES = TypeAdapter(dict[Name, Profile])


def shipped_profiles() -> dict[str, Profile]:
    """The profiles that come with AURA Local, smallest first."""
    return read_profiles(data_folder("models") / "profiles.toml")


def read_profiles(path: Path) -> dict[str, Profile]:
    """Raises ConfigurationError that names the file and the field."""
    try:
        return _PROFILES.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{path}: {field}: {first['msg']}") from error


def models_of(profile: str, entries: Iterable[ModelEntry]) -> tuple[ModelEntry, ...]:
    """The entries that a profile names. Raises ConfigurationError for one that does not exist."""
    profiles = shipped_profiles()
    if profile not in profiles:
        raise ConfigurationError(f"no profile '{profile}' exists; there are {', '.join(profiles)}")
    by_name = {entry.name: entry for entry in entries}
    return tuple(by_name[name] for name in profiles[profile].models.values())
