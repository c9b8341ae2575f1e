"""The demo documents and their questions keep to the rules of knowledge/README.md."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
KNOWLEDGE = REPOSITORY / "knowledge"
DOCUMENTS = KNOWLEDGE / "riverside_museum"
LONGEST_FACT_SENTENCE_WORDS = 16
# A question that ends in one of these would look unfinished to the silence-based turn detector.
UNFINISHED_ENDINGS = frozenset(
    # articles, conjunctions and possessives
    {"a", "an", "and", "my", "or", "the", "that", "which"}
    # prepositions
    | {"across", "at", "behind", "between", "by", "for", "from", "in"}
    | {"near", "of", "on", "to", "until", "with"}
    # auxiliaries
    | {"am", "are", "can", "could", "did", "do", "does", "has", "have", "is", "may", "will", "would"}
    # prefixes of longer numbers and of clock times
    | {"hundred", "half", "past", "quarter", "thousand"}
)

Question = dict[str, Any]


def read_lines(name: str) -> list[Question]:
    """Each line of a JSONL file in knowledge/ as a dictionary."""
    return [json.loads(line) for line in (KNOWLEDGE / name).read_text(encoding="utf-8").splitlines()]


def known_words() -> frozenset[str]:
    """The words the shipped recogniser can hear."""
    words = REPOSITORY / "models" / "whisper-synthetic-tiny" / "words.txt"
    return frozenset(words.read_text(encoding="utf-8").split())


def normalised(text: str) -> str:
    """Lower case, punctuation dropped, single spaces: the form in which answers are compared."""
    return " ".join(re.sub(r"[^\w\s]", "", text.lower()).split())


def sentences(document: Path) -> list[str]:
    """The sentences of a document's paragraphs; Markdown headings and HTML markup are left out."""
    text = document.read_text(encoding="utf-8")
    if document.suffix == ".html":
        text = re.sub(r"<(style|title|h\d)>.*?</\1>", "", text, flags=re.DOTALL)
        text = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"</?p>", "\n\n", text)))
    paragraphs = [" ".join(block.split()) for block in re.split(r"\n\s*\n", text)]
    return [
        sentence
        for paragraph in paragraphs
        if paragraph and not paragraph.startswith("#")
        for sentence in re.split(r"(?<=[.!?])\s+", paragraph)
    ]


def holds_facts(sentence: str, facts: list[str | list[str]]) -> bool:
    """Whether every group of `facts` has a member in the sentence."""
    plain = normalised(sentence)
    return all(
        any(normalised(fact) in plain for fact in ([group] if isinstance(group, str) else group))
        for group in facts
    )


def spoken_words(text: str) -> set[str]:
    return set(re.findall(r"[\w']+", text.lower()))


QUESTIONS = read_lines("questions.jsonl")
UNANSWERABLE = read_lines("unanswerable.jsonl")
EVERY_QUESTION = QUESTIONS + UNANSWERABLE


def name_of(question: Question) -> str:
    return str(question["id"])


def test_there_are_enough_documents_and_questions() -> None:
    documents = [path for path in DOCUMENTS.iterdir() if path.suffix in {".md", ".txt", ".html"}]
    assert len(documents) >= 14
    assert {path.suffix for path in documents} == {".md", ".txt", ".html"}
    assert len(QUESTIONS) >= 60
    assert len(UNANSWERABLE) >= 20


@pytest.mark.parametrize("document", sorted(DOCUMENTS.iterdir()), ids=lambda path: str(path.name))
def test_documents_are_of_readable_length(document: Path) -> None:
    assert 250 <= len(document.read_text(encoding="utf-8").split()) <= 700


def test_every_document_is_asked_about_at_least_three_times() -> None:
    asked = Counter(question["document"] for question in QUESTIONS)
    assert set(asked) == {path.name for path in DOCUMENTS.iterdir()}
    assert min(asked.values()) >= 3


def test_ids_and_questions_are_unique_across_both_files() -> None:
    for field in ("id", "question", "typed"):
        repeated = [
            value for value, count in Counter(entry[field] for entry in EVERY_QUESTION).items() if count > 1
        ]
        assert repeated == []


def test_lines_have_exactly_the_documented_fields() -> None:
    for question in QUESTIONS:
        assert set(question) == {"id", "question", "typed", "facts", "document"}
        assert question["facts"]
    for question in UNANSWERABLE:
        assert set(question) == {"id", "question", "typed"}


@pytest.mark.parametrize("question", EVERY_QUESTION, ids=name_of)
def test_spoken_question_is_inside_the_vocabulary(question: Question) -> None:
    words = question["question"].split(" ")
    assert set(words) <= known_words()
    assert 4 <= len(words) <= 10
    assert words[-1] not in UNFINISHED_ENDINGS


@pytest.mark.parametrize("question", EVERY_QUESTION, ids=name_of)
def test_typed_question_looks_written(question: Question) -> None:
    assert question["typed"][0].isupper()
    assert question["typed"].endswith("?")


@pytest.mark.parametrize("question", QUESTIONS, ids=name_of)
def test_facts_stand_in_one_speakable_sentence_of_the_document(question: Question) -> None:
    holding = [
        text for text in sentences(DOCUMENTS / question["document"]) if holds_facts(text, question["facts"])
    ]
    assert holding, "no single sentence holds the facts"
    speakable = [text for text in holding if spoken_words(text) <= known_words()]
    assert speakable, f"the sentence uses words outside the vocabulary: {holding}"
    assert min(len(text.split()) for text in speakable) <= LONGEST_FACT_SENTENCE_WORDS


def test_no_fact_sentence_is_repeated_in_another_document() -> None:
    seen = Counter(text for document in DOCUMENTS.iterdir() for text in set(sentences(document)))
    for question in QUESTIONS:
        for text in sentences(DOCUMENTS / question["document"]):
            if holds_facts(text, question["facts"]):
                assert seen[text] == 1, text


def test_the_demo_conversation_is_a_visit_with_one_unanswerable_question() -> None:
    asked = [entry["id"] for entry in read_lines("conversation.jsonl")]
    assert 6 <= len(asked) <= 8
    assert len(set(asked)) == len(asked)
    assert set(asked) <= {question["id"] for question in EVERY_QUESTION}
    assert len(set(asked) & {question["id"] for question in UNANSWERABLE}) == 1
