"""Write the training text: sentences of a small grammar plus random recombination.

    python make_text.py --out build/text      writes train.txt, dev.txt, holdout.txt, vocabulary.txt

dev and holdout are grammar sentences that occur nowhere in train.txt, not even inside a longer line.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from grammar import Grammar


class TrainingText:
    """An endless source of random training lines, the same for the same seed."""

    def __init__(self, grammar: Grammar, seed: int) -> None:
        self._grammar = grammar
        self._random = random.Random(seed)
        self._words = [word for word in grammar.vocabulary() if word not in grammar.ambiguous]

    def line(self) -> str:
        """A sentence, two sentences spliced, or random words."""
        kind = self._random.random()
        if kind < 0.55:
            return self._grammar.sentence(self._random)
        if kind < 0.80:
            return self._spliced()
        # Random words force the recogniser to listen instead of memorising.
        count = self._random.choice([1, 1, 2, 2, 3, 3, 4, 5, 6])
        return " ".join(self._random.choice(self._words) for _ in range(count))

    def _spliced(self) -> str:
        """The start of one sentence and the end of another, cut at random word boundaries."""
        first = self._grammar.sentence(self._random).split()
        second = self._grammar.sentence(self._random).split()
        end, start = self._random.randint(1, len(first)), self._random.randint(0, len(second) - 1)
        return " ".join((first[:end] + second[start:])[: self._random.randint(3, 12)])


def held_out(grammar: Grammar, train: list[str], seed: int = 2024, count: int = 100) -> list[str]:
    """`count` different sentences of at least three words that occur in no training line."""
    random_source, found = random.Random(seed), []
    text = "\n".join(f" {line} " for line in train)
    while len(found) < count:
        sentence = grammar.sentence(random_source)
        if len(sentence.split()) >= 3 and sentence not in found and f" {sentence} " not in text:
            found.append(sentence)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/text"))
    parser.add_argument("--lines", type=int, default=60000)
    arguments = parser.parse_args()
    grammar = Grammar.load()
    source = TrainingText(grammar, seed=1)
    train = [source.line() for _ in range(arguments.lines)]
    sentences = held_out(grammar, train)
    half = len(sentences) // 2
    texts = {
        "train": train,
        "dev": sentences[:half],
        "holdout": sentences[half:],
        "vocabulary": grammar.vocabulary(),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, lines in texts.items():
        (arguments.out / f"{name}.txt").write_text("\n".join(lines) + "\n")
    print(", ".join(f"{name} {len(lines)}" for name, lines in texts.items()))


if __name__ == "__main__":
    main()
