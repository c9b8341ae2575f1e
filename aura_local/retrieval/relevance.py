"""Judges whether passages can answer a question at all. Layer 2.

Nearness alone does not tell: "What time does the museum in Berlin open?" is as near to the opening hours as
any question about them. So words count that no passage holds together, and more so those that the documents
do not hold anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlite_utils

from aura_local.retrieval.candidates import passages_holding, word_occurs
from aura_local.retrieval.labels import AccessClasses
from aura_local.retrieval.ranking import RankedPassage

JUDGED_PASSAGES: Final = 5
"""The best ones, however many are asked for."""
MISSING_WEIGHT: Final = 0.2
"""For the share of the question's words that the passage with most of them does not hold."""
ABSENT_WEIGHT: Final = 0.4
"""For the share of the question's words that no document holds."""
RELEVANCE_THRESHOLD: Final = 0.315
"""Of 669 questions about 18 documents 4 % are below, of questions about other documents 92 %; of 108 about
the museum none, and of 25 about something else 20 typed and 23 spoken ones."""


def relevance(
    connection: sqlite_utils.Database,
    words: Sequence[str],
    ranked: Sequence[RankedPassage],
    classes: AccessClasses,
) -> float:
    """Best similarity of a passage or sentence, less a part for words not found; -1 without passages.

    `words` are the content words of the question, `ranked` the passages best first. Only documents of
    `classes` are looked at: what somebody may not read must not show in what they are told.
    """
    judged = [one.passage for one in ranked[:JUDGED_PASSAGES]]
    if not judged:
        return -1.0
    nearness = max(max(passage.similarity, passage.best_sentence_similarity) for passage in judged)
    if not words:
        return nearness
    ids = [passage.passage_id for passage in judged]
    holding = [passages_holding(connection, word, ids) for word in words]
    most = max(sum(passage_id in found for found in holding) for passage_id in ids)
    absent = sum(
        not found and not word_occurs(connection, word, classes)
        for word, found in zip(words, holding, strict=True)
    )
    missing_share, absent_share = 1 - most / len(words), absent / len(words)
    return nearness - MISSING_WEIGHT * missing_share - ABSENT_WEIGHT * absent_share
