"""Where settings come from: arguments, then `AURA_*` variables, then aura.toml, then defaults. Layer 0.

Unknown keys are errors, in the file as in the environment: a misspelt setting must not be silently
ignored. `aura doctor` prints every value with the source it came from.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ValidationError

from aura_local.errors import ConfigurationError
from aura_local.settings import Section, Settings, default_home

ENVIRONMENT_PREFIX: Final = "AURA_"
OTHER_VARIABLES: Final = frozenset(
    {
        "AURA_TEST_STRICT",
        "AURA_EVALS",
        "AURA_MACHINE_STEPS",
        "AURA_CONFIG",
        "AURA_KEY",
        "AURA_PASSPHRASE_FILE",
    }
)
"""Variables with our prefix that are not settings."""

LISTS: Final = frozenset(
    {
        "server.allowed_hosts",
        "server.allowed_origins",
        "oidc.allowed_email_domains",
        "downloads.storage_hosts",
    }
)
"""Settings that a variable gives as items with commas between them."""

FILE_ONLY: Final = frozenset({"tiers"})
"""Settings whose parts have names of the operator's choice: in aura.toml alone, not in variables."""

Source = Literal["argument", "environment", "file", "default"]


class LoadedSettings:
    """Settings together with the source of each value."""

    def __init__(self, values: Settings, sources: Mapping[str, Source], file: Path | None) -> None:
        self.values = values
        self.sources = sources
        """By dotted name, e.g. `server.port`."""
        self.file = file
        """The aura.toml that was read, if there was one."""


def load_settings(
    arguments: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> LoadedSettings:
    """Merge all sources. `arguments` has dotted names; None values are left out.

    The file is `AURA_CONFIG`, else `aura.toml` in the data folder. Raises `ConfigurationError` that names
    the setting and where it came from.
    """
    variables = os.environ if environment is None else environment
    from_arguments = {name: value for name, value in (arguments or {}).items() if value is not None}
    from_environment = _environment_values(variables)
    home = from_arguments.get("home") or from_environment.get("home") or default_home()
    path = Path(variables["AURA_CONFIG"]) if "AURA_CONFIG" in variables else Path(home) / "aura.toml"
    from_file = _file_values(path, required="AURA_CONFIG" in variables)

    merged: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    layers: tuple[tuple[Source, Mapping[str, Any]], ...] = (
        ("file", from_file),
        ("environment", from_environment),
        ("argument", from_arguments),
    )
    for source, values in layers:
        for name, value in values.items():
            _put(merged, name, value)
            sources[name] = source
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, sources, path) from error
    for name in setting_names():
        sources.setdefault(name, "default")
    return LoadedSettings(settings, sources, path if from_file else None)


def setting_names(section: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Dotted names of all settings, in the order of their definition."""
    names: list[str] = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            names += setting_names(kind, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def _environment_values(variables: Mapping[str, str]) -> dict[str, str]:
    """`AURA_SERVER__PORT` is `server.port`; a comma separates the items of a list."""
    known = {ENVIRONMENT_PREFIX + name.replace(".", "__").upper(): name for name in setting_names()}
    values: dict[str, Any] = {}
    for variable, value in variables.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in OTHER_VARIABLES:
            continue
        if known.get(variable) in FILE_ONLY:
            raise ConfigurationError(f"{variable} cannot be set by a variable, only in aura.toml.")
        if variable not in known:
            raise ConfigurationError(f"{variable} is not a setting; `aura doctor` lists them all.")
        name = known[variable]
        listed = name in LISTS
        values[name] = tuple(filter(None, map(str.strip, value.split(",")))) if listed else value
    return values


def _file_values(path: Path, *, required: bool) -> dict[str, Any]:
    if not path.is_file():
        if required:
            raise ConfigurationError(f"AURA_CONFIG names {path}, which is not a file.")
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.") from error
    return _flatten(document)


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict) and prefix + name not in FILE_ONLY:
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *sections, last = name.split(".")
    for section in sections:
        if not isinstance(tree.setdefault(section, {}), dict):
            raise ConfigurationError(f"{section} is a section of settings, not a value.")
        tree = tree[section]
    tree[last] = value


def _explain(error: ValidationError, sources: Mapping[str, Source], path: Path) -> ConfigurationError:
    problem = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(part for part in problem["loc"] if isinstance(part, str) and part != "[key]")
    origin = {"file": str(path), "environment": "the environment", "argument": "the command line"}
    section = name.partition(".")[0]
    where = origin.get(sources.get(section if section in FILE_ONLY else name, ""), "the settings")
    reason = "is not a setting" if problem["type"] == "extra_forbidden" else problem["msg"]
    if not name:
        return ConfigurationError(f"{reason.removeprefix('Value error, ')}.")
    return ConfigurationError(f"{name} in {where}: {reason}.")
