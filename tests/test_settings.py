"""Where a value comes from, what is refused, and that the manual knows every setting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from aura_local.errors import ConfigurationError
from aura_local.settings import Section, Settings
from aura_local.settings_sources import LoadedSettings, load_settings, setting_names
from aura_local.tiers import EXAMPLE_TIERS, TierSettings

DOCUMENT = Path(__file__).parents[1] / "docs" / "settings.md"


def load(
    folder: Path, *, file: str = "", arguments: dict[str, Any] | None = None, **variables: str
) -> LoadedSettings:
    """Settings of a data folder with this aura.toml; nothing of the machine's own environment."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    if file:
        (home / "aura.toml").write_text(file, encoding="utf-8")
    environment = {"AURA_HOME": str(home), "AURA_MASTER_KEY_FILE": str(folder / "master.key")} | variables
    return load_settings(arguments, environment)


def test_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.values.server.port == 8765
    assert loaded.values.engines.speech_to_text == "auto"
    assert loaded.sources["server.port"] == "default"
    assert loaded.sources["home"] == "environment"
    assert loaded.file is None


def test_arguments_beat_variables_beat_the_file_beats_defaults(tmp_path: Path) -> None:
    file = "[server]\nport = 1\nhost = 'file'\n[voice]\nlanguage = 'de'"
    loaded = load(
        tmp_path,
        file=file,
        arguments={"server.port": 3, "server.host": None},
        AURA_SERVER__PORT="2",
        AURA_SERVER__HOST="variable",
    )
    assert (loaded.values.server.port, loaded.sources["server.port"]) == (3, "argument")
    assert (loaded.values.server.host, loaded.sources["server.host"]) == ("variable", "environment")
    assert (loaded.values.voice.language, loaded.sources["voice.language"]) == ("de", "file")
    assert loaded.sources["voice.speculation"] == "default"
    assert set(loaded.sources) == set(setting_names())
    assert loaded.file == tmp_path / "home" / "aura.toml"


def test_the_home_of_an_argument_names_the_file(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "aura.toml").write_text("log_level = 'debug'")
    assert load(tmp_path, arguments={"home": other}).values.log_level == "debug"


def test_another_file_by_variable(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text("profile = 'demo'")
    loaded = load(tmp_path, file="profile = 'auto'", AURA_CONFIG=str(path))
    assert loaded.values.profile == "demo"
    assert loaded.file == path
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml, which is not a file"):
        load(tmp_path, AURA_CONFIG=str(tmp_path / "nowhere.toml"))


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("prot = 1", r"prot in .*aura\.toml: is not a setting"),
        ("[server]\nprot = 1", r"server\.prot in .*aura\.toml: is not a setting"),
        ("[sever]\nport = 1", r"sever in .*: is not a setting"),
        ("[server]\nport = 'many'", r"server\.port in .*aura\.toml: .*valid integer"),
        ("[server]\nport = 65536", r"server\.port in .*less than or equal to 65535"),
        ("[server]\nallowed_hosts = ['a', 1]", r"server\.allowed_hosts in .*aura\.toml: .*valid string"),
        ("server = 3", r"server in .*aura\.toml"),
        ("profile = 'fast'", r"profile in .*'auto' or 'demo'"),
        ("port 3", r"aura\.toml is not valid TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_place(tmp_path: Path, file: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        load(tmp_path, file=file)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    load(tmp_path)
    (tmp_path / "home" / "aura.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load(tmp_path)


def test_a_section_that_is_a_value_below_one_that_is_a_section(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="server is a section"):
        load(tmp_path, file="server = 3", AURA_SERVER__PORT="1")


@pytest.mark.parametrize("variable", ["AURA_SERVER_PORT", "AURA_PROT", "AURA_SERVER__PROT", "AURA_"])
def test_unknown_variables_are_refused(tmp_path: Path, variable: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable} is not a setting"):
        load_settings(None, {"AURA_HOME": str(tmp_path), variable: "1"})


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    load(tmp_path, AURA_TEST_STRICT="1", AURA_KEY="secret", AURORA_PORT="1", PATH="/bin")


def test_what_is_wrong_elsewhere_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"server\.port in the environment"):
        load(tmp_path, AURA_SERVER__PORT="many")
    with pytest.raises(ConfigurationError, match=r"server\.port in the command line"):
        load(tmp_path, arguments={"server.port": -1})
    with pytest.raises(ConfigurationError, match=r"server\.prot in the command line: is not a setting"):
        load(tmp_path, arguments={"server.prot": 1})


def test_lists_are_separated_by_commas(tmp_path: Path) -> None:
    def hosts(value: str) -> tuple[str, ...]:
        return load(tmp_path, AURA_SERVER__ALLOWED_HOSTS=value).values.server.allowed_hosts

    assert hosts("museum.local") == ("museum.local",)
    assert hosts("museum.local, 10.0.0.1,") == ("museum.local", "10.0.0.1")
    assert hosts("") == ()
    assert load(tmp_path, file="[server]\nallowed_hosts = ['a', 'b']").values.server.allowed_hosts == (
        "a",
        "b",
    )


@pytest.mark.parametrize(
    "place", ["home/master.key", "home/deep/master.key", "other/../home/master.key", "link/key"]
)
def test_a_key_beside_its_data_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    with pytest.raises(ConfigurationError, match="master_key_file must not lie under home"):
        load(tmp_path, AURA_MASTER_KEY_FILE=str(tmp_path / place))


def test_a_folder_whose_name_only_begins_the_same_is_another(tmp_path: Path) -> None:
    load(tmp_path, AURA_MASTER_KEY_FILE=str(tmp_path / "home-keys" / "master.key"))


def test_the_default_tier_has_no_limits(tmp_path: Path) -> None:
    values = load(tmp_path).values
    assert values.tiers == dict(EXAMPLE_TIERS)
    assert set(values.tiers[values.metering.default_tier].model_dump().values()) == {None}


def test_a_tier_of_the_file_replaces_an_example_as_a_whole_and_leaves_the_others(tmp_path: Path) -> None:
    loaded = load(tmp_path, file="[tiers.free]\ndocuments = 3\n[tiers.open]\n")
    assert loaded.values.tiers == {
        "free": TierSettings(documents=3),
        "pro": EXAMPLE_TIERS["pro"],
        "enterprise": TierSettings(),
        "open": TierSettings(),
    }
    assert loaded.sources["tiers"] == "file"
    assert set(loaded.sources) == set(setting_names())
    (tmp_path / "other").mkdir()
    assert load(tmp_path / "other").values.tiers["free"] == EXAMPLE_TIERS["free"]


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("[tiers.free]\ndocumnets = 3", r"tiers\.free\.documnets in .*aura\.toml: is not a setting"),
        ("[tiers.free]\ndocuments = -1", r"tiers\.free\.documents in .*aura\.toml: .*greater than or equal"),
        ("[tiers.free]\ndocuments = 9223372036854775808", r"tiers\.free\.documents in .*: .*less than"),
        ("[tiers.free]\ndocuments = 'many'", r"tiers\.free\.documents in .*aura\.toml: .*valid integer"),
        ("[tiers.free.documents]\nlimit = 1", r"tiers\.free\.documents in .*aura\.toml: .*valid integer"),
        ("[tiers]\nfree = 3", r"tiers\.free in .*aura\.toml: "),
        ("tiers = 3", r"tiers in .*aura\.toml: .*valid dictionary"),
        ("[tiers.'Free of charge']", r"tiers\.Free of charge in .*aura\.toml: .*match pattern"),
        ("[metering]\ndefault_tier = 'gold'", r"default_tier must be one of: free, pro, enterprise\."),
    ],
)
def test_what_is_wrong_with_a_tier_is_named(tmp_path: Path, file: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        load(tmp_path, file=file)


@pytest.mark.parametrize("variable", ["AURA_TIERS", "AURA_TIERS__FREE__DOCUMENTS"])
def test_tiers_cannot_be_set_by_variables(tmp_path: Path, variable: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable} (cannot be set|is not a setting)"):
        load_settings(None, {"AURA_HOME": str(tmp_path), variable: "1"})


def test_the_default_tier_may_come_from_anywhere(tmp_path: Path) -> None:
    file = "[tiers.gold]"
    assert (
        load(tmp_path, file=file, AURA_METERING__DEFAULT_TIER="gold").values.metering.default_tier == "gold"
    )


def test_settings_are_frozen(tmp_path: Path) -> None:
    values = load(tmp_path).values
    with pytest.raises(ValidationError):
        values.server.port = 1  # type: ignore[misc]


def _documented(section: type[Section] = Settings, prefix: str = "") -> Iterator[tuple[str, str | None, str]]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _documented(kind, f"{prefix}{name}.")
        else:
            default = (
                None if field.default is PydanticUndefined else f"`{json.dumps(field.default, default=str)}`"
            )
            assert field.description, f"{prefix}{name} has no description"
            yield prefix + name, default, field.description


def test_the_manual_lists_every_setting() -> None:
    rows = re.findall(
        r"^\| `([a-z_.]+)` \| (.*?) \| (.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
    )
    expected = list(_documented())
    assert [name for name, _, _ in rows] == [name for name, _, _ in expected] == setting_names()
    for (name, default, meaning), (_, expected_default, description) in zip(rows, expected, strict=True):
        assert meaning == description, name
        # A default that depends on the machine is described in words.
        assert expected_default in (default, None), name


def test_the_manual_lists_every_limit_of_the_example_tiers() -> None:
    rows = re.findall(
        r"^\| `tiers\.NAME\.([a-z_]+)` \| (\S+) \| (\S+) \| (\S+) \| (.*) \|$",
        DOCUMENT.read_text("utf-8"),
        re.MULTILINE,
    )
    assert rows == [
        (
            name,
            *(str(getattr(tier, name)).replace("None", "none") for tier in EXAMPLE_TIERS.values()),
            field.description,
        )
        for name, field in TierSettings.model_fields.items()
    ]
