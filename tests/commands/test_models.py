"""`aura models`: the whole way of a model, from a hub or a stick to its engine and out again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_local.audit.chain import AuditLog
from aura_local.commands.opening import open_home
from aura_local.data_files import data_folder
from aura_local.settings_sources import load_settings
from tests.catalogue.made_models import CHATML, gguf, write_files
from tests.commands.invoking import Aura
from tests.support.model_hub import REPOSITORY, REVISION, ModelHub, Trouble, serving_models

VOICE = {
    name: (data_folder("voices") / "piper-synthetic" / name).read_bytes()
    for name in ("voice.onnx", "voice.onnx.json")
}
CHAT = gguf({"general.architecture": "qwen2", "tokenizer.chat_template": CHATML})
OWN = """
[[model]]
name = "{name}"
job = "{job}"
engine = "{engine}"
description = "Ours"
licence = "MIT"
languages = ["{language}"]
memory_bytes = 1
synthetic = false
source = {{ kind = "hub", repository = "{repository}", revision = "{revision}" }}
files = [{files}]
"""


def own_entry(name: str, job: str, engine: str, files: list[str], *, language: str = "en") -> str:
    pinned = ", ".join(f'{{ name = "{file}", sha256 = "pinned on first download" }}' for file in files)
    where = {"repository": REPOSITORY, "revision": REVISION}
    return OWN.format(name=name, job=job, engine=engine, language=language, files=pinned, **where)


@pytest.fixture
def hub(aura: Aura) -> Iterator[ModelHub]:
    """A hub with a voice and a language model, which the operator's own catalogue lists."""
    with serving_models({**VOICE, "chat.gguf": CHAT}) as served:
        aura.environment["HF_ENDPOINT"] = served.address
        text = own_entry("our-voice", "text_to_speech", "piper", list(VOICE))
        text += own_entry("our-chat", "language_model", "llama", ["chat.gguf"])
        text += own_entry("german", "text_to_speech", "piper", list(VOICE), language="de")
        write_files(aura.home / "models", {"catalogue.toml": text.encode()})
        yield served


def listed(aura: Aura) -> dict[str, dict[str, object]]:
    return {model["name"]: model for model in aura.json("models", "list")["models"]}


def test_the_list_says_what_is_there_and_what_it_costs(aura: Aura) -> None:
    models = listed(aura)
    assert models["piper-synthetic"]["state"] == "present"
    assert models["piper-synthetic"]["synthetic"] is True
    assert models["whisper-small"]["state"] == "missing"
    assert models["whisper-small"]["profiles"] == ["balanced"]
    assert models["smart-turn-v3.2-cpu"]["state"] == "not usable yet"
    text = aura("models", "list").stdout
    assert "whisper-small" in text
    assert "waits for an engine for Smart Turn" in text
    assert not aura.home.exists()  # looking changes nothing


def test_a_model_is_pulled_used_verified_and_removed(aura: Aura, hub: ModelHub) -> None:
    hub.meets("voice.onnx", Trouble(cut_after=1_000_000))
    result = aura("models", "pull", "our-voice", "our-chat")
    assert result.stdout == "installed: our-voice\ninstalled: our-chat\n"
    assert "our-voice: MIT." in result.stderr
    assert listed(aura)["our-voice"]["state"] == "present"
    asked = len(hub.requests)
    assert aura("models", "pull", "our-voice").stdout == "present: our-voice\n"
    assert len(hub.requests) == asked

    (aura.home / "aura.toml").write_text("# ours\n[engines]  # all\ncores = 1\n")
    aura("models", "use", "our-voice")
    text = (aura.home / "aura.toml").read_text()
    assert text == '# ours\n[engines]  # all\ntext_to_speech = "our-voice"\ncores = 1\n'
    spoken = aura.home.parent / "spoken.wav"
    assert aura.json("say", "Good morning.", "-o", str(spoken))["seconds"] > 0.3

    rows = {row["name"]: row["state"] for row in aura.json("models", "verify")["models"]}
    assert rows["our-voice"] == "whole"
    damaged = aura.home / "models" / "our-voice" / "voice.onnx"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    problem = aura.json("models", "verify", "our-voice", code=1)["models"][0]
    assert (problem["state"], "aura models pull our-voice" in problem["problem"]) == ("damaged", True)
    aura("models", "pull", "our-voice")  # mends it

    removed = aura("models", "remove", "our-voice")
    assert "engines.text_to_speech still names it" in removed.stderr
    assert listed(aura)["our-voice"]["state"] == "missing"
    assert "is not in" in aura("models", "remove", "our-voice", code=1).stderr


@pytest.mark.anyio
async def test_the_permit_is_in_the_audit_log_once(aura: Aura, hub: ModelHub) -> None:
    from anyio import to_thread

    hub.meets("chat.gguf", Trouble(status=503, retry_after="0"))

    def commands() -> None:
        aura("tenant", "create", "Museum")
        aura("models", "pull", "our-chat", "our-voice")

    await to_thread.run_sync(commands)
    loaded = load_settings(
        {"home": aura.home, "master_key_file": aura.environment["AURA_MASTER_KEY_FILE"]}, {}
    )
    async with open_home(loaded) as data:
        entries = await AuditLog(data.catalog.database).entries()
    (permit,) = [entry for entry in entries if entry.action == "egress.permitted"]
    assert f"http://{permit.subject}" == hub.address
    assert permit.details == {"purpose": "model download"}


def test_a_failed_model_is_named_and_the_others_are_kept(aura: Aura, hub: ModelHub) -> None:
    hub.always["chat.gguf"] = Trouble(status=404)
    models = aura.json("models", "pull", "our-chat", "our-voice", code=1)["models"]
    assert [(model["name"], model["state"], model["code"]) for model in models] == [
        ("our-chat", "failed", "download_failed"),
        ("our-voice", "installed", None),
    ]


def test_a_voice_for_another_language_is_not_used(aura: Aura, hub: ModelHub) -> None:
    aura("models", "pull", "german")
    assert "voice.language is en" in aura("models", "use", "german", code=2).stderr
    assert not (aura.home / "aura.toml").exists()
    aura.environment["AURA_VOICE__LANGUAGE"] = "de"
    aura("models", "use", "german")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("pull",), 2, "Name models, or a profile"),
        (("pull", "whisper-tiny", "--profile", "tiny"), 2, "Name models, or a profile"),
        (("pull", "--profile", "huge"), 2, "there are tiny, small, balanced, best, gpu"),
        (("pull", "wisper-tiny"), 2, "it lists whisper-tiny"),
        (("pull", "smart-turn-v3.2-cpu"), 3, "waits for an engine for Smart Turn"),
        (("use", "smart-turn-v3.2-cpu"), 3, "waits for an engine for Smart Turn"),
        (("use", "whisper-tiny"), 3, "aura models pull whisper-tiny"),
        (("remove", "piper-synthetic"), 2, "cannot be removed here"),
        (("import", "/nonexistent"), 2, "does not exist"),
    ],
)
def test_a_mistake_is_one_clear_sentence(
    aura: Aura, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = aura("models", *arguments, code=code)
    assert message in result.stderr
    assert "\n" not in result.stderr.strip()


def test_a_download_that_does_not_fit_is_refused_before_it_begins(aura: Aura, hub: ModelHub) -> None:
    aura.environment["AURA_LIMITS__DISK_RESERVE_BYTES"] = str(10**18)
    result = aura("models", "pull", "--profile", "tiny", "--json", code=1)
    assert json.loads(result.stdout)["error"]["code"] == "storage_full"
    assert hub.requests == []


def test_a_profile_takes_what_is_there_and_names_what_fails(aura: Aura, hub: ModelHub) -> None:
    models = aura.json("models", "pull", "--profile", "tiny", code=1)["models"]
    assert {model["name"]: model["state"] for model in models} == {
        "silero-vad-v6": "present",
        "all-MiniLM-L6-v2": "present",
        "whisper-tiny.en": "failed",
        "qwen2.5-0.5b-instruct-q4_k_m": "failed",
        "piper-en_US-kristin-medium": "failed",
    }
    assert all("404" in model["message"] for model in models if model["state"] == "failed")
    assert not [path for path in (aura.home / "models").iterdir() if path.is_dir() and path.name[0] != "."]


def test_the_public_hub_is_not_reached_without_its_permit_nor_plain(aura: Aura) -> None:
    aura.environment["HF_ENDPOINT"] = "http://hub.example"
    assert "must be an https address" in aura("models", "pull", "whisper-tiny", code=2).stderr


def test_a_model_from_a_stick_is_used_like_any_other(aura: Aura, tmp_path: Path) -> None:
    stick = write_files(tmp_path / "stick", {"a": VOICE["voice.onnx"], "b": VOICE["voice.onnx.json"]})
    assert aura.json("models", "import", str(stick), "--name", "brought")["licence"] == "unknown"
    aura("models", "use", "brought")
    spoken = tmp_path / "spoken.wav"
    assert aura.json("say", "Good morning.", "-o", str(spoken))["seconds"] > 0.3
    aura("models", "remove", "brought")
    assert "brought" not in listed(aura)


def test_a_wrong_own_catalogue_is_told_by_its_field(aura: Aura, hub: ModelHub) -> None:
    text = own_entry("our-voice", "text_to_speech", "piper", list(VOICE)) + 'colour = "red"\n'
    write_files(aura.home / "models", {"catalogue.toml": text.encode()})
    assert "colour" in aura("models", "list", code=2).stderr
