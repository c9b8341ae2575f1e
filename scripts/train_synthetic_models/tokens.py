"""A small byte-level BPE with Whisper's special tokens, in the order faster-whisper and CTranslate2 expect.

python tokens.py build/text/train.txt build/tokenizer.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

LANGUAGES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr "
    "bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn "
    "yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su "
    "yue"
).split()
TIMESTAMPS = 1501


def build_tokenizer(lines: list[str], merges: int = 520) -> Tokenizer:
    """Learn `merges` merges from the lines and add Whisper's special tokens."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=256 + merges, initial_alphabet=alphabet, show_progress=False)
    learner.train_from_iterator((" " + line for line in lines), trainer)
    learnt = [
        tuple(merge) if not isinstance(merge, str) else tuple(merge.split(" "))
        for merge in json.loads(learner.to_str())["model"]["merges"]
    ]
    # faster-whisper suppresses the first token of " '", " -" and " <music note>"; those get tokens of their
    # own, so that the bare space token is never suppressed.
    forced = [("Ġ", "'"), ("Ġ", "-"), ("Ġ", "â")]
    ordered = forced + [merge for merge in learnt if merge not in forced]
    vocabulary = {character: index for index, character in enumerate(sorted(alphabet))}
    for left, right in ordered:
        vocabulary.setdefault(left + right, len(vocabulary))
    vocabulary[""] = len(vocabulary)  # CTranslate2 takes a "" entry to mean "multilingual"
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=ordered))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    _add_special_tokens(tokenizer)
    return tokenizer


def _add_special_tokens(tokenizer: Tokenizer) -> None:
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    special = [f"<|{name}|>" for name in ("endoftext", "startoftranscript", *LANGUAGES, *tasks)]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    timestamps = [f"<|{index * 0.02:.2f}|>" for index in range(TIMESTAMPS)]
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in timestamps])


class Tokens:
    """Whisper's special tokens by name, and text to and from token ids."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        number = tokenizer.token_to_id
        self.end_of_text, self.start = number("<|endoftext|>"), number("<|startoftranscript|>")
        self.transcribe, self.translate = number("<|transcribe|>"), number("<|translate|>")
        self.start_of_lm, self.previous = number("<|startoflm|>"), number("<|startofprev|>")
        self.no_speech, self.no_timestamps = number("<|nospeech|>"), number("<|notimestamps|>")
        self.first_timestamp, self.english = number("<|0.00|>"), number("<|en|>")
        self.languages = [number(f"<|{code}|>") for code in LANGUAGES]
        self.count = tokenizer.get_vocab_size()
        assert self.first_timestamp == self.no_timestamps + 1
        assert self.no_speech - self.start - 5 == len(LANGUAGES)

    def encode(self, text: str) -> list[int]:
        """The tokens of text that follows a space; none for an empty text."""
        return self.tokenizer.encode(" " + text, add_special_tokens=False).ids if text else []

    def decode(self, tokens: list[int]) -> str:
        """The text of the tokens, special ones left out."""
        return self.tokenizer.decode([token for token in tokens if token < self.end_of_text])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("tokenizer", type=Path)
    arguments = parser.parse_args()
    lines = arguments.text.read_text().splitlines()
    tokenizer = build_tokenizer(lines)
    tokenizer.save(str(arguments.tokenizer))
    tokens = Tokens(tokenizer)
    words = {word for line in lines for word in line.split()}
    spaced = sorted(word for word in words if tokenizer.id_to_token(tokens.encode(word)[0]) == "Ġ")
    print(
        f"{tokens.count} tokens, {tokens.end_of_text} of them text; at most "
        f"{max(len(tokens.encode(word)) for word in words)} per word; words after a bare space: {spaced}"
    )


if __name__ == "__main__":
    main()
