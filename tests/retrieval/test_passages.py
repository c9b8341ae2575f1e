"""Passages: nothing lost, nothing twice, no cut inside a sentence, structure kept."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_local.errors import PayloadTooLarge
from aura_local.retrieval.passages import cut_passages, document_text
from aura_local.retrieval.readers.block import Block
from aura_local.retrieval.sentences import sentence_spans


def count_words(text: str) -> int:
    return len(text.split()) + 2


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We open at 9.30 a.m. and close at 6 p.m. Dogs wait.", 2),
        ("Dr. Lane met J. Smith at No. 5 St. Mary Street.", 1),
        ("It costs $4.50. Is that much? No. You get tea!", 4),
        ('"Come in!" she said. "Please."', 2),
        ("See e.g. the cafe, the shop, etc. and the roof.", 1),
        ("Wait... there is more. It ended (in 1923). Then it rained.", 3),
        ("These are works of art. They are old.", 2),
        ("no punctuation at all", 1),
        ("", 0),
    ],
)
def test_sentences(text: str, expected: int) -> None:
    assert len(sentences(text)) == expected


def paragraph(words: int, start: int = 0) -> str:
    """Sentences of ten words."""
    return " ".join(f"w{n}" + ("." if n % 10 == 9 else "") for n in range(start, start + words))


def test_passages_end_with_paragraphs_and_stay_below_one_heading() -> None:
    blocks = [
        Block("heading", "Museum", level=1),
        Block("heading", "Hours", level=2),
        Block("paragraph", paragraph(60)),
        Block("paragraph", paragraph(60)),
        Block("heading", "Prices", level=2),
        Block("paragraph", "Entry is free.", page=3),
    ]
    passages = cut_passages(blocks, count_words, limit_tokens=110)
    assert [passage.heading for passage in passages] == [
        "Museum > Hours",
        "Museum > Hours",
        "Museum > Prices",
    ]
    assert [len(passage.text.split()) for passage in passages] == [60, 60, 3]
    assert passages[2].page == 3
    assert passages[0].page is None
    assert [passage.ordinal for passage in passages] == [0, 1, 2]
    assert [passage.tokens for passage in passages] == [62, 62, 5]


def test_a_small_rest_joins_the_passage_before_it() -> None:
    blocks = [Block("paragraph", paragraph(60)), Block("paragraph", "Just this.")]
    assert len(cut_passages(blocks, count_words, limit_tokens=64)) == 1
    assert len(cut_passages(blocks, count_words, limit_tokens=62)) == 2


def test_a_heading_without_text_below_can_be_found() -> None:
    blocks = [
        Block("heading", "Notices", level=1),
        Block("heading", "Closed on Monday", level=2),
        Block("heading", "Dogs stay outside", level=2),
    ]
    passages = cut_passages(blocks, count_words)
    assert [(one.heading, one.text) for one in passages] == [
        ("Notices", "Closed on Monday"),
        ("Notices", "Dogs stay outside"),
    ]


def test_a_passage_never_crosses_a_page() -> None:
    blocks = [Block("paragraph", "One.", page=1), Block("paragraph", "Two.", page=2)]
    assert [(one.text, one.page) for one in cut_passages(blocks, count_words)] == [("One.", 1), ("Two.", 2)]


def test_the_questions_of_a_list_of_questions_head_their_answers() -> None:
    blocks = [
        Block("list_item", "Is it free?"),
        Block("paragraph", "Yes."),
        Block("list_item", "I lost my coat."),
        Block("paragraph", "Ask at the desk."),
        Block("list_item", "Bring water."),
        Block("list_item", "Bring a hat."),
        Block("paragraph", "We open at nine."),
        Block("paragraph", "Really?"),
        Block("paragraph", "Who knows?"),
    ]
    passages = cut_passages(blocks, count_words)
    assert [(one.heading, one.text) for one in passages] == [
        ("Is it free?", "Yes."),
        (
            "I lost my coat.",
            "Ask at the desk.\nBring water.\nBring a hat.\nWe open at nine.\nReally?\nWho knows?",
        ),
    ]


def test_a_question_heads_only_what_may_be_its_answer() -> None:
    blocks = [Block("paragraph", "Why?"), Block("paragraph", paragraph(200)), Block("paragraph", "The end.")]
    assert [one.heading for one in cut_passages(blocks, count_words)][-2:] == ["Why?", ""]


def test_a_question_before_a_question_or_a_heading_is_text() -> None:
    blocks = [Block("paragraph", "Who?"), Block("heading", "Hours", level=1), Block("paragraph", "Nine.")]
    assert [(one.heading, one.text) for one in cut_passages(blocks, count_words)] == [
        ("", "Who?"),
        ("Hours", "Nine."),
    ]


def test_a_long_row_is_cut_like_text_below_its_first_cell() -> None:
    row = Block("table_row", f"Plants | {paragraph(130).replace(' w', ' W')} | since 1923")
    passages = cut_passages([row], count_words)
    assert {one.heading for one in passages} == {"Plants"}
    assert max(len(one.text.split()) for one in passages) <= 34
    assert passages[0].text.startswith("Plants | w0")
    short = Block("table_row", f"Plants | {paragraph(90)}")
    assert [one.text for one in cut_passages([short], count_words)] == [short.text]


def test_table_rows_and_list_items_are_sentences() -> None:
    blocks = [Block("table_row", "Mon. | 9 a.m. Closed"), Block("list_item", "no dogs")]
    (passage,) = cut_passages(blocks, count_words)
    assert passage.sentences == ("Mon. | 9 a.m. Closed", "no dogs")


def test_only_a_sentence_beyond_the_window_is_cut_and_at_a_clause() -> None:
    long = " ".join(f"w{n}" for n in range(150)) + "."
    (passage,) = cut_passages([Block("paragraph", long)], count_words)
    assert passage.sentences == (long,)
    longer = " ".join(f"w{n}" + ("," if n == 180 else "") for n in range(400)) + "."
    parts = [
        part for one in cut_passages([Block("paragraph", longer)], count_words) for part in one.sentences
    ]
    assert parts[0].endswith("w180,")
    assert " ".join(parts) == longer
    assert all(count_words(part) <= 256 for part in parts)


def test_a_word_without_end_is_cut_although_its_tokenizer_sees_one_token() -> None:
    endless = "x" * 20_000
    passages = cut_passages([Block("paragraph", f"Plants grow. {endless}")], count_words)
    assert "".join(passage.text for passage in passages).count("x") == len(endless)
    assert max(len(sentence) for passage in passages for sentence in passage.sentences) <= 600


def test_a_word_without_end_is_cut_too() -> None:
    (passage, *_) = cut_passages([Block("paragraph", "x" * 5_000)], len)
    assert len(passage.text) <= 256


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["heading", "paragraph", "list_item", "table_row"]),
            st.text("abc. ?!,é\u00a0", min_size=1, max_size=400).map(str.strip).filter(bool),
            st.integers(1, 6),
        ),
        max_size=12,
    )
)
def test_every_word_is_in_exactly_one_passage_or_heading(raw: list[tuple[str, str, int]]) -> None:
    blocks = [
        Block(kind, " ".join(text.split()), level=level if kind == "heading" else 0)  # type: ignore[arg-type]
        for kind, text, level in raw
    ]
    text = document_text(blocks)
    passages = cut_passages(blocks, count_words, limit_tokens=20, window_tokens=40)
    previous_end = 0
    for passage in passages:
        assert passage.text == text[passage.start_character : passage.end_character]
        assert passage.start_character >= previous_end
        assert "".join(" ".join(passage.sentences).split()) == "".join(passage.text.split())
        previous_end = passage.end_character
        assert count_words(passage.text) == passage.tokens
    position = 0
    for block in blocks:
        end = position + len(block.text)
        within = [one for one in passages if position <= one.start_character < end]
        covered = "".join(text[one.start_character : min(one.end_character, end)] for one in within)
        before = [one for one in passages if one.start_character < position < one.end_character]
        covered += "".join(text[position : min(one.end_character, end)] for one in before)
        whole = len("".join(covered.split())) == len("".join(block.text.split()))
        below = next((one.heading for one in passages if one.start_character >= end), "")
        assert whole or (not covered and block.text in below)
        position = end + 1


def test_as_many_sentences_as_allowed_and_one_more() -> None:
    blocks = [Block("paragraph", "We open at ten. We close at six."), Block("list_item", "A vase")]
    assert len(cut_passages(blocks, count_words, limit_sentences=3)) >= 1
    with pytest.raises(PayloadTooLarge, match="more than 2 sentences"):
        cut_passages(blocks, count_words, limit_sentences=2)


@pytest.mark.parametrize("unit", ["No. ", "a b. ", "word, ", "x"])
def test_work_grows_with_the_text_not_with_its_square(unit: str) -> None:
    def counted(repeats: int) -> tuple[int, int]:
        characters = longest = 0

        def count(text: str) -> int:
            nonlocal characters, longest
            characters += len(text)
            longest = max(longest, len(text))
            return count_words(text)

        cut_passages([Block("paragraph", (unit * repeats).strip())], count)
        return characters, longest

    few, _ = counted(20_000 // len(unit))
    many, longest = counted(200_000 // len(unit))
    assert many < 15 * few
    assert longest < 30_000


def test_marks_without_end_are_no_sentences_and_cost_little() -> None:
    started = time.process_time()
    assert sentences("?" * 200_000 + '"' * 200_000) == ["?" * 200_000 + '"' * 200_000]
    assert sentences('Really?!?! Yes." No.') == ["Really?!?!", 'Yes."', "No."]
    assert time.process_time() - started < 1  # by the square it is a minute and more
