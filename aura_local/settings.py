"""One frozen tree of settings: arguments, then `AURA_*` variables, then aura.toml, then defaults. Layer 0.

Unknown keys are errors, in the file as in the environment: a misspelt setting must not be silently
ignored. `aura doctor` prints every value with the source it came from.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aura_local.errors import ConfigurationError

ENVIRONMENT_PREFIX: Final = "AURA_"
OTHER_VARIABLES: Final = frozenset({"AURA_TEST_STRICT", "AURA_EVALS", "AURA_CONFIG", "AURA_KEY"})
"""Variables with our prefix that are not settings."""

Source = Literal["argument", "environment", "file", "default"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(Section):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8765, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    allowed_hosts: tuple[str, ...] = Field(
        ("127.0.0.1", "localhost", "[::1]"),
        description="Host headers that are answered; others are refused (stops DNS rebinding).",
    )
    allowed_origins: tuple[str, ...] = Field(
        (), description="Origins besides our own whose pages may open sockets; exact matches."
    )


class EngineSettings(Section):
    """`auto` takes the best that is present; otherwise the name of a catalogue entry."""

    speech_to_text: str = Field("auto", description="Model that hears.")
    language_model: str = Field("auto", description="Model that answers.")
    text_to_speech: str = Field("auto", description="Voice that speaks.")
    embedder: str = Field("auto", description="Model that searches.")
    voice_activity: str = Field("auto", description="Model that tells speech from noise.")
    turn_detector: str = Field("silence", description="Judge of whether the speaker has finished.")
    cores: int = Field(0, ge=0, description="Cores the engines may use together; 0 takes all.")
    verify_models: bool = Field(True, description="Check every model file's SHA-256 before loading it.")


class VoiceSettings(Section):
    language: str = Field("en", description="Language spoken, ISO 639-1.")
    speculation: bool = Field(True, description="Work ahead inside the silence, before the turn is over.")
    fitted_window: bool = Field(
        True, description="Fit Whisper's encoder window to the speech, for models trained for it."
    )
    partial_transcripts: bool = Field(True, description="Show words while they are spoken.")
    complete_silence_ms: int = Field(200, ge=96, description="Silence that ends a finished sentence.")
    doubtful_silence_ms: int = Field(
        600,
        ge=96,
        description="Silence that ends a doubtful sentence, or a statement the documents do not answer.",
    )
    incomplete_silence_ms: int = Field(1200, ge=96, description="Silence that ends any sentence.")
    barge_in_ms: int = Field(200, ge=64, description="Speech that interrupts a reply.")
    utterance_limit_s: int = Field(60, ge=1, description="Longest turn; then it is answered as it is.")


class LimitSettings(Section):
    upload_bytes: int = Field(50 * 1024 * 1024, ge=1, description="Largest document.")
    json_body_bytes: int = Field(1024 * 1024, ge=1, description="Largest JSON request body.")
    socket_frame_bytes: int = Field(64 * 1024, ge=1024, description="Largest socket message.")
    start_deadline_s: float = Field(5.0, gt=0, description="Time for the first socket message.")
    header_deadline_s: float = Field(5.0, gt=0, description="Time for the headers of a request.")
    send_deadline_s: float = Field(5.0, gt=0, description="Time a client may stop reading.")
    input_stall_ms: int = Field(2000, ge=200, description="Missing audio that ends a running utterance.")
    idle_s: float = Field(60.0, gt=0, description="Socket without any message is closed.")
    session_s: float = Field(7200.0, gt=0, description="Longest voice session.")
    resume_s: float = Field(30.0, ge=0, description="Time a dropped session can be resumed.")
    sessions: int = Field(16, ge=1, description="Voice sessions at once on the server.")
    sessions_per_tenant: int = Field(10, ge=1, description="Voice sessions at once for one tenant.")
    open_tenants: int = Field(64, ge=1, description="Tenant files kept open.")
    question_characters: int = Field(2000, ge=1, description="Longest typed question.")
    disk_reserve_bytes: int = Field(500 * 1024 * 1024, ge=0, description="Space that writes leave free.")


def _default_home() -> Path:
    return Path(platformdirs.user_data_dir("aura-local"))


def _default_master_key_file() -> Path:
    return Path(platformdirs.user_config_dir("aura-local")) / "master.key"


class Settings(Section):
    """Everything that can be configured."""

    home: Path = Field(default_factory=_default_home, description="Data folder.")
    master_key_file: Path = Field(
        default_factory=_default_master_key_file, description="Master key; never under the data folder."
    )
    profile: Literal["auto", "demo"] = Field(
        "auto", description="`demo` uses the small synthetic models that ship; they are for tests and demos."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    server: ServerSettings = ServerSettings()
    engines: EngineSettings = EngineSettings()
    voice: VoiceSettings = VoiceSettings()
    limits: LimitSettings = LimitSettings()

    @model_validator(mode="after")
    def _key_apart_from_data(self) -> Settings:
        if self.master_key_file.resolve().is_relative_to(self.home.resolve()):
            raise ValueError(
                "master_key_file must not lie under home: a key beside its data protects nothing"
            )
        return self


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
    home = from_arguments.get("home") or from_environment.get("home") or _default_home()
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
        if variable not in known:
            raise ConfigurationError(f"{variable} is not a setting; `aura doctor` lists them all.")
        name = known[variable]
        listed = name in ("server.allowed_hosts", "server.allowed_origins")
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
        if isinstance(value, dict):
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
    name = ".".join(part for part in problem["loc"] if isinstance(part, str))
    origin = {"file": str(path), "environment": "the environment", "argument": "the command line"}
    where = origin.get(sources.get(name, ""), "the settings")
    reason = "is not a setting" if problem["type"] == "extra_forbidden" else problem["msg"]
    if not name:
        return ConfigurationError(f"{reason.removeprefix('Value error, ')}.")
    return ConfigurationError(f"{name} in {where}: {reason}.")
