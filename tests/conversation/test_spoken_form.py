"""How written forms are said, one case for each rule, and what has to come through untouched."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_local.conversation.spoken_form import spoken_form, spoken_lengths, spoken_parts
from aura_local.data_files import data_folder

ENGLISH = {
    "The museum opens at 9.30 a.m. on Mondays.": "The museum opens at nine thirty a m on Mondays.",
    "£12.50": "twelve pounds fifty",
    "$1,200": "one thousand two hundred dollars",
    "$3 million": "three million dollars",
    "€5": "five euros",
    "€1": "one euro",
    "12.50 €": "twelve euros fifty",
    "£0.80": "eighty pence",
    "3 May 2024": "the third of May twenty twenty four",
    "on the 3rd of May": "on the third of May",
    "May 3, 2024": "the third of May twenty twenty four",
    "2024-05-03": "the third of May twenty twenty four",
    "the 12 may be reserved": "the twelve may be reserved",
    "May 2024": "May twenty twenty four",
    "10:15": "ten fifteen",
    "9:05": "nine oh five",
    "10:00-17:30": "ten o'clock to five thirty p m",
    "9am-5pm": "nine a m to five p m",
    "1,5 km": "one point five kilometres",
    "1 km": "one kilometre",
    "25 °C": "twenty five degrees Celsius",
    "20%": "twenty percent",
    "1990s": "nineteen nineties",
    "in 1965": "in nineteen sixty five",
    "between 1914 and 1918": "between nineteen fourteen and nineteen eighteen",
    "the 2012 World Cup": "the twenty twelve World Cup",
    "2000 visitors": "two thousand visitors",
    "a 64-bit machine": "a sixty four-bit machine",
    "40,000 objects": "forty thousand objects",
    "No. 5": "number five",
    "the 2nd floor": "the second floor",
    "007": "zero zero seven",
    "+44 20 7946 0958": "plus four four, two zero, seven nine four six, zero nine five eight",
    "See https://example.org/a for more.": "See the link for more.",
    "www.example.org": "the link",
    "[here](https://example.org/a)": "here",
    "![plan](https://example.org/a.png)": "plan",
    "Write to info@example.org.": "Write to the e-mail address.",
    "It opens at nine [1].": "It opens at nine.",
    "It opens [1, 2] at nine[3].": "It opens at nine.",
    "and/or": "and or",
    "M-F 9-5": "Monday to Friday nine to five",
    "Mon-Sat": "Monday to Saturday",
    "1/2": "one half",
    "3/4": "three quarters",
    "Louis XVI": "Louis XVI",
    "Adult: £5 | Child: £3": "Adult: five pounds, Child: three pounds",
    "**bold** and `code`": "bold and code",
    "# Hours": "Hours",
    "<b>bold</b><|im_start|>": "bold",
    "COVID-19, A4, v2.3.1, 192.168.0.1": "COVID-19, A4, v2.3.1, 192.168.0.1",
    "[1]": "",
}


@pytest.mark.parametrize(("written", "said"), ENGLISH.items(), ids=list(ENGLISH))
def test_english(written: str, said: str) -> None:
    assert spoken_form(written, "en") == said


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [
        ("de", "12,50 € am 3. Mai 2024", "zwölf Euro fünfzig am dritten Mai zweitausendvierundzwanzig"),
        ("de", "1.200 Leute um 10:30 Uhr", "eintausendzweihundert Leute um zehn Uhr dreißig"),
        ("fr", "le 1 mai à 14:30, 5 €", "le premier mai à quatorze heures trente, cinq euros"),
        ("es", "el 3 de mayo, 20%", "el tres de mayo, veinte por ciento"),
        ("pl", "5 zł, https://example.org/a [1]", "5 zł,"),
    ],
)
def test_other_languages(language: str, written: str, said: str) -> None:
    assert spoken_form(written, language) == said


def test_documents_that_spell_their_numbers_come_through_unchanged() -> None:
    folder = data_folder("knowledge") / "riverside_museum"
    lines = [line for path in folder.glob("*.md") for line in path.read_text("utf-8").splitlines()]
    spelt = [line for line in lines if line and not line.startswith("#") and not any(map(str.isdigit, line))]
    assert len(spelt) > 100
    assert [line for line in spelt if spoken_form(line, "en") != line.strip()] == []


def test_answers_to_the_museums_questions_come_through_unchanged() -> None:
    lines = (data_folder("knowledge") / "questions.jsonl").read_text("utf-8").splitlines()
    typed = [json.loads(line)["typed"] for line in lines if line]
    assert [text for text in typed if spoken_form(text, "en") != text] == []


@given(
    st.text(alphabet="ab 12:.,-/[]()|*_#£€%<>@\n", max_size=60),
    st.sampled_from(["en", "de", "fr", "es", "xx"]),
)
def test_no_text_breaks_it_and_the_pieces_hold_all_of_it(text: str, language: str) -> None:
    parts = spoken_parts(text, language)
    assert "".join(part.shown for part in parts) == text
    assert len(spoken_lengths(parts)) == len(text.split())


def test_a_word_is_as_long_as_what_is_said_for_it() -> None:
    lengths = spoken_lengths(spoken_parts("It is £12.50 [1] now", "en"))
    assert lengths == [2, 2, len("twelve pounds fifty"), 0, 3]
