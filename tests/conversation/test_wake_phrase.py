"""Which words are the wake phrase, and what follows it."""

from __future__ import annotations

import pytest

from aura_local.conversation.wake_phrase import WakePhrase, words_after
from aura_local.errors import ConfigurationError

PHRASE = "hello aura"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("hello aura when do you open", "when do you open"),
        ("Hello, Aura! When do you open?", "When do you open?"),
        ("HELLO  AURA - it's 5 o'clock?", "it's 5 o'clock?"),
        ("Hélló aürá wann", "wann"),
        ("helloaura when", "when"),
        ("hel lo aura when", "when"),
        # One letter misheard, or one word that still looks alike.
        ("hallo aura when", "when"),
        ("hello ora when", "when"),
        ("hello or a when do you open", "when do you open"),
        ("hello aurora when", "when"),
        ("yellow aura when", "when"),
        # No word of the question is taken for a part of it.
        ("hello aura a question", "a question"),
        ("hello aura aura is who", "aura is who"),
    ],
)
def test_words_that_begin_with_the_phrase(text: str, rest: str) -> None:
    assert words_after(text, PHRASE) == rest


@pytest.mark.parametrize("text", ["hello aura", "Hello, Aura!", "hello ora…", "Hello Aura - ?"])
def test_the_phrase_alone(text: str) -> None:
    assert words_after(text, PHRASE) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "hello",
        "aura",
        "hello there",
        "hello all of you",
        "hello a",
        "when do you open",
        "when do you open hello aura",
        "I said to her hello aura",
    ],
)
def test_words_that_do_not(text: str) -> None:
    assert words_after(text, PHRASE) is None


@pytest.mark.parametrize(
    ("phrase", "text", "rest"),
    [
        ("Aura", "aura, when", "when"),
        ("Aura", "are you open", None),
        ("Aura", "ora when", None),
        ("good morning museum", "good morning museums when", "when"),
        ("good morning museum", "good morning when", None),
        ("good morning museum", "good morning madam when", None),
        ("Grüß Gott", "GRÜSS GOTT, wann", "wann"),
    ],
)
def test_the_longer_the_phrase_the_more_of_it_may_be_misheard(
    phrase: str, text: str, rest: str | None
) -> None:
    assert words_after(text, phrase) == rest


@pytest.mark.parametrize("phrase", ["", "  ", "?!"])
def test_a_phrase_has_a_word(phrase: str) -> None:
    with pytest.raises(ConfigurationError, match="at least one word"):
        WakePhrase(phrase)


@pytest.mark.parametrize(("listen_ms", "follow_up_ms"), [(-1, 0), (0, -1)])
def test_times_are_not_negative(listen_ms: int, follow_up_ms: int) -> None:
    with pytest.raises(ConfigurationError, match="negative"):
        WakePhrase(PHRASE, listen_ms, follow_up_ms)
