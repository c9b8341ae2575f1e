"""A GGUF is looked through before any engine opens it; what is damaged or unsuitable is refused by name."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest

from aura_local.catalogue.gguf_check import inspect, refuse_unsuitable
from aura_local.errors import ModelDamaged, UnsupportedMedia
from tests.catalogue.made_models import CHATML, GOOD_KEYS, gguf, write_files

WHOLE = gguf()


def written(folder: Path, data: bytes) -> Path:
    return write_files(folder, {"model.gguf": data}) / "model.gguf"


def test_a_suitable_model_tells_what_it_is(tmp_path: Path) -> None:
    facts = refuse_unsuitable(written(tmp_path, WHOLE))
    assert (facts.architecture, facts.context_tokens, facts.template) == ("qwen2", 4096, "chatml")
    assert facts.rolls_back


def head_with(place: int, form: str, value: int) -> bytes:
    changed = bytearray(WHOLE)
    struct.pack_into(form, changed, place, value)
    return bytes(changed)


def array_that_claims(count: int, kind: int = 8) -> bytes:
    return gguf({"general.architecture": struct.pack("<IIQ", 9, kind, count)})


CHANCE = random.Random(30)
DAMAGED: dict[str, bytes] = {
    "empty": b"",
    "another kind": b"PK\3\4" + WHOLE[4:],
    "version 0": gguf(version=0),
    "version 9": gguf(version=9),
    "version of the other byte order": head_with(4, ">I", 3),
    "no tensors": gguf(tensors=0),
    "2^63 tensors": gguf(tensors=2**63),
    "2^64 - 1 keys": gguf(key_count=2**64 - 1),
    "a key more than there are": gguf(key_count=len(GOOD_KEYS) + 1),
    "a key less": gguf(key_count=len(GOOD_KEYS) - 1),
    "a key of 2^60 bytes": head_with(24, "<Q", 2**60),
    "an array of 2^62 texts": array_that_claims(2**62),
    "an array of 2^62 numbers": array_that_claims(2**62, kind=10),
    "an array of arrays": array_that_claims(1, kind=9),
    "a value of no known type": gguf({"general.architecture": struct.pack("<I", 99)}),
    "a text that is no text": gguf({"general.architecture": struct.pack("<IQ", 8, 2) + b"\xff\xfe"}),
    "no dimensions": gguf(shape=()),
    "nine dimensions": gguf(shape=(1,) * 9),
    "a dimension of 0": gguf(shape=(32, 0)),
    "2^63 values": gguf(shape=(2**32, 2**31)),
    "values that overflow": gguf(shape=(2**63, 2**63)),
    "an unknown tensor type": gguf(kind=77),
    "half a block": gguf(kind=8, shape=(33, 4)),
    "a tensor behind the end": gguf(offset=2**40),
    "a tensor not aligned": gguf(offset=7),
    "an alignment of 0": gguf({**GOOD_KEYS, "general.alignment": 0}),
    "an alignment of 3": gguf({**GOOD_KEYS, "general.alignment": 3}),
    "too little data": gguf(data_bytes=511),
    **{f"cut at {cut}": WHOLE[:cut] for cut in sorted(CHANCE.sample(range(4, len(WHOLE) - 1), 20))},
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ModelDamaged, match=r"model\.gguf is not a whole GGUF file: "):
        inspect(written(tmp_path, data))


def test_flipped_bits_are_refused_or_change_nothing_that_is_read_by_length(tmp_path: Path) -> None:
    """A flip inside a text leaves another text; whatever it hits, nothing but our errors comes out."""
    refused = 0
    for place in CHANCE.sample(range(len(WHOLE)), 300):
        changed = bytearray(WHOLE)
        changed[place] ^= 1 << CHANCE.randrange(8)
        try:
            refuse_unsuitable(written(tmp_path, bytes(changed)))
        except (ModelDamaged, UnsupportedMedia):
            refused += 1
    assert refused > 60


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"general.architecture": "gemma3"}, "architecture gemma3"),
        ({"general.architecture": "mamba"}, "architecture mamba"),
        ({"general.architecture": "\x1b[31mred"}, "architecture 31mred"),
        ({"general.architecture": 7}, "architecture unknown"),
        ({"qwen2.attention.sliding_window": 4096}, "sliding window"),
        ({"qwen2.ssm.state_size": 16}, "recurrent state"),
        ({"tokenizer.chat_template": "[INST]"}, "not ChatML"),
    ],
)
def test_an_unsuitable_model_is_refused_in_one_sentence(
    tmp_path: Path, keys: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnsupportedMedia, match=reason) as refusal:
        refuse_unsuitable(written(tmp_path, gguf({**GOOD_KEYS, **keys})))
    assert refusal.value.message.isprintable()


def test_the_window_that_is_not_used_does_not_matter(tmp_path: Path) -> None:
    keys = {
        "general.architecture": "phi3",
        "phi3.attention.sliding_window": 262144,
        "tokenizer.chat_template": CHATML,
    }
    assert refuse_unsuitable(written(tmp_path, gguf(keys))).rolls_back
