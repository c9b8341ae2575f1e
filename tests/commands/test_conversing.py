"""`aura say`, `transcribe` and `ask` on the small models that ship."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from tests.commands.invoking import Aura

DEMO = ("--profile", "demo")


@pytest.mark.engines
@pytest.mark.llama
def test_what_is_said_is_written_down_again(aura: Aura, tmp_path: Path) -> None:
    spoken = tmp_path / "spoken.wav"
    said = aura.json("say", "When does the museum open on Monday?", "-o", str(spoken), *DEMO)
    with wave.open(str(spoken)) as file:
        seconds = file.getnframes() / file.getframerate()
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
    assert said["seconds"] == pytest.approx(seconds, abs=0.001)
    assert seconds > 1

    written = aura.json("transcribe", str(spoken), *DEMO)
    assert written["text"] == "when does the museum open on monday"
    assert [piece["text"] for piece in written["utterances"]] == [written["text"]]
    assert written["seconds"] == pytest.approx(seconds, abs=0.05)
    assert aura("transcribe", str(spoken), *DEMO).stdout == "when does the museum open on monday\n"


def test_a_file_without_audio_is_told_before_any_model_loads(aura: Aura, tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"garbage" * 100)
    assert aura.json("transcribe", str(noise), code=1)["error"]["code"] == "audio_unreadable"


@pytest.mark.parametrize(
    ("samples", "ending", "code"), [(8000, 2, "configuration_error"), (8001, 1, "payload_too_large")]
)
def test_recordings_up_to_the_limit(aura: Aura, tmp_path: Path, samples: int, ending: int, code: str) -> None:
    recording = tmp_path / "recording.wav"
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * samples))
    aura.environment["AURA_LIMITS__RECORDING_S"] = "0.5"
    # What is not too long gets as far as the models, of which there is none of this name.
    aura.environment["AURA_ENGINES__SPEECH_TO_TEXT"] = "no such model"
    assert aura.json("transcribe", str(recording), *DEMO, code=ending)["error"]["code"] == code


@pytest.mark.engines
def test_a_file_that_cannot_be_written_is_told(aura: Aura, tmp_path: Path) -> None:
    target = tmp_path / "no folder" / "spoken.wav"
    error = aura.json("say", "hello", "-o", str(target), *DEMO, code=1)["error"]
    assert error["code"] == "storage_unavailable"


def test_there_must_be_something_to_say(aura: Aura, tmp_path: Path) -> None:
    aura("say", "  ", "-o", str(tmp_path / "x.wav"), *DEMO, code=2)


@pytest.mark.engines
@pytest.mark.llama
def test_an_answer_names_its_source(aura: Aura, tmp_path: Path) -> None:
    aura("tenant", "create", "Old Mill")
    document = tmp_path / "opening_hours.md"
    document.write_text("# Opening hours\n\nThe mill opens at nine in the morning on Saturday.\n")
    aura("ingest", str(document))

    answer = aura.json("ask", "When does the mill open on Saturday?", *DEMO)
    assert "nine" in answer["answer"]
    assert answer["answered"] is True
    assert [citation["document"] for citation in answer["citations"]] == ["opening_hours.md"]
    assert answer["timings"]["first_text"] > 0

    plain = aura("ask", "When does the mill open on Saturday?", *DEMO).stdout
    assert "nine" in plain
    assert "[opening_hours.md, Opening hours]" in plain

    declined = aura.json("ask", "How tall is the Eiffel tower?", "--session", answer["session_id"], *DEMO)
    assert (declined["answered"], declined["citations"]) == (False, [])
    assert declined["session_id"] == answer["session_id"]


def test_asking_needs_a_tenant_and_a_question(aura: Aura) -> None:
    assert aura.json("ask", "Anything?", code=1)["error"]["code"] == "not_found"
    aura("ask", " ", code=2)
    aura("ask", "?" * 2001, code=2)
