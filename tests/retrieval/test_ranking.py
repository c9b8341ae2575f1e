"""Ranking, excerpts and their limits, on made-up passages."""

from __future__ import annotations

import dataclasses

from aura_local.retrieval.candidates import StoredPassage, StoredSentence
from aura_local.retrieval.excerpts import Excerpt, excerpts
from aura_local.retrieval.ranking import DEFAULT_WEIGHTS, RankedPassage, ranked


def passage(
    ordinal: int,
    text: str,
    *,
    similarity: float = 0.5,
    sentence: float = 0.5,
    words: float | None = None,
    document: str = "a",
    heading: str = "Hours",
    page: int | None = None,
    tokens: int = 20,
) -> StoredPassage:
    """The passages of a document stand 100 characters apart, its texts end with the last of those but one."""
    padded = text.ljust(99, ".")
    return StoredPassage(
        passage_id=ordinal + (1000 if document == "b" else 0),
        document_id=document,
        document_name=f"{document}.md",
        sensitivity="public",
        ordinal=ordinal,
        heading=heading,
        page=page,
        text=padded,
        start_character=100 * ordinal,
        end_character=100 * ordinal + 99,
        tokens=tokens,
        sentences=(StoredSentence(padded, sentence),),
        similarity=similarity,
        vector_rank=None,
        word_rank=None,
        word_score=words,
    )


def order(*passages: StoredPassage) -> list[int]:
    return [one.passage.passage_id for one in ranked(passages, DEFAULT_WEIGHTS)]


def given(*passages: StoredPassage) -> list[RankedPassage]:
    return [RankedPassage(one, 1.0) for one in passages]


def ordinals(found: list[Excerpt]) -> list[list[int]]:
    return [[part.ordinal for part in one.parts] for one in found]


def test_meaning_sentences_and_words_all_count() -> None:
    assert order(passage(10, "x"), passage(20, "y", similarity=0.6)) == [20, 10]
    assert order(passage(10, "x"), passage(20, "y", sentence=0.6)) == [20, 10]
    assert order(passage(10, "x"), passage(20, "y", words=3.0)) == [20, 10]
    assert order(passage(20, "x"), passage(10, "y")) == [10, 20]


def test_words_do_not_outweigh_everything() -> None:
    shouted = passage(10, "x", similarity=0.0, sentence=0.0, words=10_000.0)
    assert order(shouted, passage(20, "y", similarity=0.9, sentence=0.9)) == [20, 10]


def test_surroundings_on_the_subject_help_but_only_near_ones_of_the_same_document() -> None:
    lone = passage(1, "x", document="b")
    assert order(lone, passage(10, "y"), passage(13, "z", similarity=0.3)) == [10, 1001, 13]
    assert order(lone, passage(1, "y"), passage(9, "z", similarity=0.3)) == [1, 1001, 9]
    against = passage(13, "z", similarity=-0.9, sentence=-0.9)
    assert ranked([passage(10, "y"), against], DEFAULT_WEIGHTS)[0].fused == 0.5


def test_the_same_words_come_once_unless_a_number_differs() -> None:
    texts = ["The museum opens daily at 9.", "Daily the museum opens at 9", "The museum opens daily at 10."]
    found = excerpts(given(*(passage(10 * n, text) for n, text in enumerate(texts))), 4)
    assert ordinals(found) == [[0], [20]]


def test_neighbours_that_follow_each_other_in_rank_become_one_text() -> None:
    (found,) = excerpts(given(passage(5, "two"), passage(4, "one"), passage(6, "three")), 1)
    assert [part.text[:5].strip(".") for part in found.parts] == ["one", "two", "three"]
    assert len(found.text) == found.parts[-1].end_character - found.parts[0].start_character
    assert found.best.passage.ordinal == 5
    assert found.text.split("\n")[0] == found.parts[0].text


def test_what_is_no_neighbour_stays_apart() -> None:
    first = passage(5, "first")
    for other in (
        passage(7, "other"),
        passage(6, "other", heading="Prices"),
        passage(6, "other", page=2),
        passage(6, "other", document="b"),
        passage(6, "other", tokens=60),
        dataclasses.replace(passage(6, "other"), start_character=620),
    ):
        assert len(excerpts(given(first, other), 4)) == 2


def test_a_limit_and_a_budget_end_the_list() -> None:
    far_apart = given(*(passage(10 * n, f"text {n}") for n in range(6)))
    assert len(excerpts(far_apart, 4)) == 4
    assert len(excerpts(far_apart, 6, budget_tokens=65)) == 3
    assert len(excerpts(far_apart, 6, budget_tokens=5)) == 1
    assert excerpts([], 4) == []
