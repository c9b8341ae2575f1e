"""The grammar of the closed domain: random sentences, and the words that can occur in them."""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Grammar:
    """`grammar.toml` as a value; its comments explain the notation."""

    ones: list[str]
    teens: list[str]
    tens: list[str]
    templates: list[str]
    slots: dict[str, list[str]]
    ambiguous: frozenset[str]

    @classmethod
    def load(cls, path: Path | None = None) -> Grammar:
        """Read `path`, by default the file beside this one."""
        table = tomllib.loads((path or Path(__file__).with_name("grammar.toml")).read_text())
        return cls(
            **table["numbers"],
            templates=table["text"]["templates"],
            slots=table["slots"],
            ambiguous=frozenset(table["text"]["ambiguous"]),
        )

    def sentence(self, random_source: random.Random, most_words: int = 12) -> str:
        """A random sentence of at most `most_words` words."""
        while True:
            sentence = self._fill(random_source.choice(self.templates), random_source)
            if len(sentence.split()) <= most_words:
                return sentence

    def vocabulary(self) -> list[str]:
        """Every word that a sentence can hold, sorted."""
        words = {*self.ones, *self.teens, *self.tens, "zero", "hundred", "thousand", "and", "an"}
        for text in [*self.templates, *(entry for slot in self.slots.values() for entry in slot)]:
            words.update(SLOT.sub(" ", text).split())
        return sorted(words)

    def _fill(self, template: str, random_source: random.Random) -> str:
        def replacement(match: re.Match[str]) -> str:
            slot = match.group(1)
            if slot in ("n", "h"):
                return random_source.choice(self.ones)
            if slot == "d":
                return random_source.choice([*self.ones[:9], "zero"])
            if slot == "num":
                return self._number(random_source)
            if slot == "tens":
                return random_source.choice(self.tens)
            return self._fill(random_source.choice(self.slots[slot]), random_source)

        text = SLOT.sub(replacement, template)
        return re.sub(r"\ba (?=[aeio])", "an ", text).replace("a hour", "an hour")

    def _number(self, random_source: random.Random) -> str:
        kind = random_source.random()
        if kind < 0.45:
            return random_source.choice(self.ones)
        if kind < 0.6:
            return random_source.choice(self.teens)
        if kind < 0.75:
            return random_source.choice(self.tens)
        if kind < 0.9:
            return random_source.choice(self.tens) + " " + random_source.choice(self.ones[:9])
        first = random_source.choice(["one", "two", "three", "five"])
        return f"{first} " + random_source.choice(
            ["hundred", "thousand", "hundred and " + random_source.choice(self.tens)]
        )
