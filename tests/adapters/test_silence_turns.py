"""The judgement on unfinished sentences: by example, and as shares of whole files."""

from __future__ import annotations

import json

import pytest

from aura_local.adapters.silence_turns import completeness
from aura_local.data_files import data_folder


def unpunctuated(text: str, language: str = "en") -> float:
    return completeness(text, punctuated=False, language=language)


FINISHED = [
    "yes",
    "no thanks",
    "thank you",
    "hello",
    "stop",
    "switch the television off",
    "turn the volume up",
    "how much does it cost",
    "what can i buy",
    "where are you from",
    "what is it for",
    "what time is it",
    "yes it is",
    "tell me where the toilet is",
    "can you turn the lights on",
    "it is a quarter past six",
    "two tickets for tomorrow please",
    "how long does it take",
    "where does the tour start",
    "what's the weather like",
    "my number is five three zero",
]

GOES_ON = [
    "where is the",
    "i would like",
    "i would like to",
    "the museum and",
    "we are open from",
    "can i buy",
    "do you sell",
    "where is",
    "is there",
    "can you",
    "what does it",
    "please send me",
    "a large",
    "half",
    "it is half past",
    "delivery is between seven",
    "how much does a child ticket",
    "is the museum",
    "what time",
    "how many tickets",
    "the shop has no",
    "good morning where is",
    "do you have um",
    "how do i get to",
]


@pytest.mark.parametrize("text", FINISHED)
def test_finished(text: str) -> None:
    assert unpunctuated(text) == 1.0


@pytest.mark.parametrize("text", GOES_ON)
def test_goes_on(text: str) -> None:
    assert unpunctuated(text) < 0.5


@pytest.mark.parametrize("text", ["switch the television", "the last entry", "students pay ninety"])
def test_in_doubt(text: str) -> None:
    assert unpunctuated(text) == 0.5


def test_silence_is_not_a_turn() -> None:
    assert unpunctuated("  ") == 0.0
    assert completeness("", punctuated=True, language="en") == 0.0


def test_punctuation_decides_where_it_is_written() -> None:
    assert completeness("I would like to.", punctuated=True, language="en") == 1.0
    assert completeness('He said "stop!"', punctuated=True, language="en") == 1.0
    assert completeness("Where is the", punctuated=True, language="en") == 0.0
    assert completeness("The museum is open", punctuated=True, language="en") == 1.0
    for trailing in ("Well...", "The museum is open,", "The museum is open…"):
        assert completeness(trailing, punctuated=True, language="en") <= 0.5


@pytest.mark.parametrize(
    ("language", "finished", "goes_on"),
    [
        ("de", "wann öffnet das museum", "wo ist die"),
        ("de", "vielen dank", "ich möchte ein"),
        ("fr", "où sont les toilettes", "je voudrais un billet pour"),
        ("fr", "merci beaucoup", "c'est dans le"),
        ("es", "dónde está el museo", "quiero una entrada para"),
        ("es", "muchas gracias", "está en la"),
    ],
)
def test_other_languages_go_by_their_open_words(language: str, finished: str, goes_on: str) -> None:
    assert unpunctuated(finished, language) == 1.0
    assert unpunctuated(goes_on, language) == 0.0


def test_a_language_without_lists_goes_by_punctuation_alone() -> None:
    assert completeness("Hvor er", punctuated=True, language="da") == 0.5
    assert completeness("Hvor er museet?", punctuated=True, language="da") == 1.0
    assert completeness("hvor er", punctuated=False, language="da") == 1.0


def spoken_sentences() -> list[str]:
    sentences = (data_folder("models") / "sentences_dev.txt").read_text(encoding="utf-8").splitlines()
    lines = (data_folder("knowledge") / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in sentences if line] + [json.loads(line)["question"] for line in lines if line]


def test_whole_sentences_look_finished() -> None:
    """What looks unfinished waits a second longer: at most 3 in 100 may."""
    sentences = spoken_sentences()
    unfinished = [sentence for sentence in sentences if unpunctuated(sentence) < 1.0]
    assert len(unfinished) <= 0.03 * len(sentences), unfinished


def test_most_beginnings_look_unfinished() -> None:
    """A pause after one of these would otherwise be taken for the end. Many are whole sentences too."""
    beginnings = [
        " ".join(words[:end])
        for words in (sentence.split() for sentence in spoken_sentences())
        for end in range(2, len(words))
    ]
    unfinished = [beginning for beginning in beginnings if unpunctuated(beginning) < 1.0]
    assert len(unfinished) >= 0.75 * len(beginnings)
