"""Orders the passages that the searches propose, by one score from both and from what stands around. Layer 2.

Pure. Similarities are added as they are, not by rank: how much better the best is than the next says more
than that it is. Of 669 questions about 18 documents it brings the right text within 150 tokens for 0.933,
reciprocal ranks for 0.924; within 800 tokens 0.987 and 0.991: no difference that chance could not make.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_local.retrieval.candidates import StoredPassage


@dataclass(frozen=True, slots=True)
class RankingWeights:
    """How much each sign counts. Half or double that of words or neighbours changes recall by about 1 %."""

    passage: float = 0.7
    """Similarity of the passage with its headings."""
    sentence: float = 0.3
    """Similarity of its best sentence alone."""
    words: float = 0.02
    """Each point of BM25."""
    words_at_most: float = 0.8
    """Of the score: many long words must not outweigh the meaning."""
    neighbour: float = 0.1
    """Score of each supporting neighbour: of two passages alike, the one whose surroundings are on the
    subject as well is the better."""
    neighbours: int = 2
    reach: int = 4
    """Passages before and after that count as surroundings."""


DEFAULT_WEIGHTS: Final = RankingWeights()


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """A passage with its place in the order."""

    passage: StoredPassage
    fused: float


def ranked(passages: Sequence[StoredPassage], weights: RankingWeights) -> list[RankedPassage]:
    """Best first; equal scores in the order of the ids."""
    own = {passage.passage_id: _own_score(passage, weights) for passage in passages}
    documents: defaultdict[str, list[StoredPassage]] = defaultdict(list)
    for passage in passages:
        documents[passage.document_id].append(passage)

    def fused(passage: StoredPassage) -> float:
        around = (
            max(own[other.passage_id], 0.0)
            for other in documents[passage.document_id]
            if 0 < abs(other.ordinal - passage.ordinal) <= weights.reach
        )
        support = sum(heapq.nlargest(weights.neighbours, around))
        return own[passage.passage_id] + weights.neighbour * support

    in_order = [RankedPassage(passage, fused(passage)) for passage in passages]
    return sorted(in_order, key=lambda one: (-one.fused, one.passage.passage_id))


def _own_score(passage: StoredPassage, weights: RankingWeights) -> float:
    by_words = weights.words * (passage.word_score or 0.0)
    return (
        weights.passage * passage.similarity
        + weights.sentence * passage.best_sentence_similarity
        + min(by_words, weights.words_at_most)
    )
