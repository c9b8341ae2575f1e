"""`aura talk`, as far as it goes without a sound card; the conversation itself: tests/test_desktop.py."""

from __future__ import annotations

import sys

import pytest

from aura_local.commands.transcript import TranscriptPrinter
from aura_local.conversation.events import (
    Citation,
    CitationsFound,
    FinalTranscript,
    ReplyFinished,
    ReplyStarted,
    ReplyTextDelta,
    TurnFailed,
)
from tests.commands.invoking import Aura


@pytest.mark.portaudio
def test_devices_are_listed(aura: Aura) -> None:
    for device in aura.json("talk", "--list-devices")["devices"]:
        assert device["input_channels"] or device["output_channels"]
    aura("talk", "--list-devices")


class WithoutPortAudio:
    """Finds `sounddevice` as it behaves where its library is missing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")


@pytest.mark.parametrize("arguments", [("talk",), ("talk", "--list-devices")])
def test_missing_portaudio_names_the_package(
    aura: Aura, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [WithoutPortAudio(), *sys.meta_path])
    assert "libportaudio2" in aura(*arguments, code=3).stderr


def test_json_goes_with_the_list_alone(aura: Aura) -> None:
    aura("talk", "--json", code=2)


def test_a_wake_phrase_is_for_an_open_microphone(aura: Aura) -> None:
    aura("talk", "--wake-phrase", "hello aura", "--push-to-talk", code=2)


def test_a_wake_phrase_has_words(aura: Aura) -> None:
    """Told before devices and models are looked for."""
    assert "at least one word" in aura("talk", "--wake-phrase", "?!", code=2).stderr


@pytest.mark.parametrize(
    ("push_to_talk", "wake_phrase", "invitation"),
    [
        (False, None, "Speak now."),
        (True, None, "Press Enter to speak."),
        (
            False,
            "hello aura",
            'Say "hello aura", then your question. After an answer you can go on without it.',
        ),
    ],
)
def test_people_are_told_how_to_speak(
    capsys: pytest.CaptureFixture[str], push_to_talk: bool, wake_phrase: str | None, invitation: str
) -> None:
    TranscriptPrinter().welcome(
        "The Museum", (), half_duplex=False, push_to_talk=push_to_talk, wake_phrase=wake_phrase
    )
    assert capsys.readouterr().out.splitlines()[-1] == invitation


@pytest.mark.anyio
async def test_the_transcript_shows_both_sides_and_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    printer = TranscriptPrinter()
    citation = Citation("doc_1", "hours.md", "Opening hours", 2, 1, 0, 9, "It opens at nine.")
    for event in (
        FinalTranscript(1, ""),
        FinalTranscript(2, "when does it open"),
        ReplyStarted(1, 2),
        CitationsFound(1, (citation,)),
        ReplyTextDelta(1, "It opens "),
        ReplyTextDelta(1, "at nine."),
        ReplyFinished(1, "It opens at nine.", "It opens at nine.", False),
        TurnFailed(3, "lane_busy", "Too much to do.", True),
    ):
        await printer.notify(event)
    assert capsys.readouterr().out == (
        "\nYou:  when does it open\nAURA: It opens at nine.\n"
        "      [hours.md, Opening hours, page 2]\n\nerror: Too much to do.\n"
    )
