"""Small models with one fault each: what is damaged, and the words that the refusal must have."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aura_local.data_files import data_folder
from tests.catalogue.made_models import GOOD_KEYS, gguf, write_files

WHISPER_FOLDER = data_folder("models") / "whisper-synthetic-tiny"
WHISPER = {
    name: (WHISPER_FOLDER / name).read_bytes()
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.json", "preprocessor_config.json")
}
DESCRIPTION = (data_folder("voices") / "piper-synthetic" / "voice.onnx.json").read_bytes()
CHANCE = random.Random(60)

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Fault:
    """`make` writes the model into an empty folder; what is brought is `brought` in it, or the folder."""

    make: Callable[[Path], object]
    words: str
    code: str = "model_damaged"
    brought: str = ""


def fault(files: Files, words: str, code: str = "model_damaged", brought: str = "") -> Fault:
    return Fault(lambda folder: write_files(folder, files), words, code, brought)


# GGUF


def two_tensors(first: tuple[str, int], second: tuple[str, int]) -> bytes:
    """Names and offsets of two tensors of 512 bytes."""
    one = gguf(tensors=2)
    head = one[: one.index(b"token_embd.weight") - 8]
    for name, offset in (first, second):
        head += struct.pack("<Q", len(name)) + name.encode()
        head += struct.pack("<IQQIQ", 2, 32, 4, 0, offset)
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + bytes(1024)


def array_of_texts(count: int) -> bytes:
    return struct.pack("<IIQ", 9, 8, count) + bytes(8 * count)


def keys(**changed: Any) -> bytes:
    return gguf({**GOOD_KEYS, **{name.replace("__", "."): value for name, value in changed.items()}})


GGUF: dict[str, bytes | tuple[bytes, str] | tuple[bytes, str, str]] = {
    "magic alone": b"GGUF",
    **{f"cut at {part} %": gguf()[: len(gguf()) * part // 100] for part in (10, 40, 70, 95)},
    "2^63 tensors": (gguf(tensors=2**63), "tensors"),
    "2^64 - 1 keys": (gguf(key_count=2**64 - 1), "keys"),
    "a text of 2^61 bytes": gguf()[:24] + struct.pack("<Q", 2**61) + gguf()[32:],
    "an array of 2^61 texts": keys(more=struct.pack("<IIQ", 9, 8, 2**61)),
    "an array of 2^61 numbers": keys(more=struct.pack("<IIQ", 9, 12, 2**61)),
    "arrays in arrays": keys(more=struct.pack("<IIQ", 9, 9, 4)),
    "three million words": (keys(more=array_of_texts(3_000_000)), "vocabulary is larger"),
    "a tensor outside": gguf(offset=2**40),
    "tensors that overlap": (two_tensors(("a", 0), ("b", 256)), "overlap"),
    "two tensors of one name": (two_tensors(("a", 0), ("a", 512)), "one name"),
    "a name of 64 bytes": (two_tensors(("a" * 64, 0), ("b", 512)), "name is longer"),
    "a shape that overflows": (gguf(shape=(2**63, 2**63)), "impossible shape"),
    "a million layers": (keys(qwen2__block_count=1_000_000), "block_count is impossible"),
    "no heads": (keys(qwen2__attention__head_count=0), "head_count is impossible"),
    "a recurrent state": (keys(general__architecture="mamba2"), "recurrent state", "unsupported_media"),
    "a sliding window": (keys(general__architecture="gemma3"), "sliding window", "unsupported_media"),
    "a mixture": (keys(qwen2__ssm__conv_kernel=4), "recurrent state", "unsupported_media"),
    "an encoder": (keys(general__architecture="nomic-bert"), "writes no answers", "unsupported_media"),
    "another template": (keys(tokenizer__chat_template="[INST]"), "not ChatML", "unsupported_media"),
    "one part of three": (keys(split__count=3), "one of 3 parts", "unsupported_media"),
    "an adapter": (keys(general__type="adapter"), "an addition to a model", "unsupported_media"),
}

# CTranslate2


def variable(name: str, shape: tuple[int, ...], *, kind: int = 0, length: int | None = None) -> bytes:
    data = bytes(4 if not shape else 16) if length is None else b""
    head = struct.pack("<H", len(name) + 1) + name.encode() + b"\0" + struct.pack("<B", len(shape))
    head += b"".join(struct.pack("<I", size) for size in shape)
    return head + struct.pack("<BI", kind, len(data) if length is None else length) + data


def ctranslate2(
    *variables: bytes, kind: str = "WhisperSpec", count: int | None = None, end: bytes = b""
) -> bytes:
    head = struct.pack("<IH", 6, len(kind) + 1) + kind.encode() + b"\0" + struct.pack("<I", 3)
    head += struct.pack("<I", len(variables) if count is None else count)
    return head + b"".join(variables) + (end or struct.pack("<I", 0))


def whisper(**changed: bytes | None) -> dict[str, bytes]:
    """The folder with some files replaced, or left out; `_` stands for the dot."""
    files: dict[str, bytes | None] = {**WHISPER}
    for name, data in changed.items():
        stem, _, kind = name.rpartition("_")
        files[f"{stem}.{kind}"] = data
    return {name: data for name, data in files.items() if data is not None}


def changed(original: bytes, **fields: Any) -> bytes:
    return json.dumps(json.loads(original) | fields).encode()


def tokenizer_with(token: int) -> bytes:
    table = json.loads(WHISPER["tokenizer.json"])
    table["added_tokens"][-1]["id"] = token
    return json.dumps(table).encode()


BIN = WHISPER["model.bin"]
CT2: dict[str, tuple[Files, str]] = {
    **{f"cut at {cut}": (whisper(model_bin=BIN[:cut]), "end is missing") for cut in (30, 900, len(BIN) - 5)},
    "something behind": (whisper(model_bin=BIN + b"\0"), "follows its end"),
    "4 billion variables": (whisper(model_bin=ctranslate2(count=2**32 - 1)), "claims 4294967295"),
    "4 billion aliases": (
        whisper(model_bin=ctranslate2(variable("a", (4,)), end=b"\xff" * 4)),
        "aliases",
    ),
    "200 dimensions": (whisper(model_bin=ctranslate2(variable("a", (1,) * 200))), "200 dimensions"),
    "4 GB that are not there": (
        whisper(model_bin=ctranslate2(variable("a", (2**30 - 1,), length=2**32 - 4))),
        "end is missing",
    ),
    "a length of its own": (whisper(model_bin=ctranslate2(variable("a", (9,)))), "does not fit its shape"),
    "an unknown type": (whisper(model_bin=ctranslate2(variable("a", (4,), kind=9))), "unknown type"),
    "a name twice": (whisper(model_bin=ctranslate2(variable("a", (4,)), variable("a", (4,)))), "one name"),
    "no decoder": (whisper(model_bin=ctranslate2(variable("a", (4,)))), "lacks the weights"),
    "no vocabulary": (whisper(vocabulary_json=None), "lacks vocabulary.json"),
    "no tokenizer": (whisper(tokenizer_json=None), "lacks tokenizer.json"),
    "more words than weights": (
        whisper(vocabulary_json=json.dumps(["x"] * 99_999).encode()),
        "99999 words",
    ),
    "words that are none": (whisper(vocabulary_json=b"[1, 2]"), "no list of words"),
    "lists in lists": (whisper(vocabulary_json=b"[" * 100_000), "no JSON"),
    "millions of lists": (whisper(vocabulary_json=b"[" + b"[]," * 2_000_000 + b"[]]"), "more lists"),
    "a token beyond the weights": (whisper(tokenizer_json=tokenizer_with(1_000_000)), "tokens beyond"),
    "a token below 0": (whisper(tokenizer_json=tokenizer_with(-1)), "is no tokenizer"),
    "a tokenizer that is none": (whisper(tokenizer_json=b"{}"), "is no tokenizer"),
    "suppressed beyond the words": (
        whisper(config_json=changed(WHISPER["config.json"], suppress_ids=[2**31 - 1])),
        "suppress_ids are not",
    ),
    "languages that are texts": (
        whisper(config_json=changed(WHISPER["config.json"], lang_ids=["en"])),
        "lang_ids are not",
    ),
    "heads that are none": (
        whisper(config_json=changed(WHISPER["config.json"], alignment_heads=[[0, -1]])),
        "no pairs",
    ),
    "a configuration of 2 MB": (whisper(config_json=b"{" + b" " * 2_000_000 + b"}"), "larger than"),
    "128 mel bands": (
        whisper(preprocessor_config_json=changed(WHISPER["preprocessor_config.json"], feature_size=128)),
        "hears 80 mel bands",
    ),
    "sound at 1 Hz": (
        whisper(preprocessor_config_json=changed(WHISPER["preprocessor_config.json"], sampling_rate=1)),
        "no Whisper hears",
    ),
    "an hour at once": (
        whisper(preprocessor_config_json=changed(WHISPER["preprocessor_config.json"], chunk_length=3600)),
        "no Whisper hears",
    ),
}

# Piper


def part(number: int, content: bytes = b"") -> bytes:
    """A field of a protocol buffer."""
    return _number(number << 3 | 2) + _number(len(content)) + content


def _number(value: int) -> bytes:
    data = b""
    while value > 0x7F:
        data, value = data + bytes([value & 0x7F | 0x80]), value >> 7
    return data + bytes([value])


def onnx(graph: bytes = b"", more: bytes = b"") -> bytes:
    return b"\x08\x08" + part(7, graph) + more


def graphs(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = part(1, part(5, part(6, inner)))  # a node with an attribute that is a graph
    return inner


ELSEWHERE = part(13, part(1, b"location") + part(2, b"../../etc/passwd")) + b"\x70\x01"
VOICE = onnx(part(5, part(9, bytes(64))))


def voice(model: bytes = VOICE, **fields: Any) -> dict[str, bytes]:
    return {"v.onnx": model, "v.onnx.json": changed(DESCRIPTION, **fields)}


PIPER: dict[str, tuple[Files, str]] = {
    "cut": (voice(VOICE[:-1]), "end is missing"),
    "a field of 2^60 bytes": (voice(VOICE[:2] + b"\x3a" + b"\xff" * 8 + b"\x0f"), "end is missing"),
    "a number without end": (voice(VOICE[:2] + b"\xff" * 20), "number has no end"),
    "no graph": (voice(b"\x08\x08"), "no graph"),
    "two graphs": (voice(onnx(more=part(7))), "no graph"),
    "graphs in graphs": (voice(onnx(graphs(40))), "nested too deeply"),
    "two million fields": (voice(onnx(b"\x10\x01" * 2_100_000)), "more parts"),
    "weights elsewhere": (voice(onnx(part(5, ELSEWHERE))), "in other files"),
    "weights of a node elsewhere": (voice(onnx(part(1, part(5, part(5, ELSEWHERE))))), "in other files"),
    "sparse weights elsewhere": (voice(onnx(part(15, part(1, ELSEWHERE)))), "in other files"),
    "sparse ones of a node": (voice(onnx(part(1, part(5, part(22, part(1, ELSEWHERE)))))), "in other files"),
    "those of a function": (
        voice(onnx(more=part(25, part(7, part(5, part(5, ELSEWHERE)))))),
        "in other files",
    ),
    "those of a function's default": (
        voice(onnx(more=part(25, part(11, part(5, ELSEWHERE))))),
        "in other files",
    ),
    "a voice that is a path": (voice(espeak={"voice": "../../../etc/x"}), "no voice of espeak"),
    "a sample rate of 0": (voice(audio={"sample_rate": 0}), "sample rate"),
    "sounds beyond the table": (voice(phoneme_id_map={"a": [256]}), "sounds that the voice"),
    "speakers that are not there": (voice(speaker_id_map={"ann": 7}), "speakers that the voice"),
    "a billion speakers": (voice(num_speakers=10**9), "impossible number"),
    "a length that is a text": (voice(inference={"length_scale": "1"}), "no such value"),
}

# Links, and what is no model


def linked(name: str) -> Callable[[Path], object]:
    """Whisper's folder, one file of which leads elsewhere."""

    def make(folder: Path) -> None:
        write_files(folder, WHISPER)
        (folder / name).unlink()
        (folder / name).symlink_to(WHISPER_FOLDER / name)

    return make


def looped(folder: Path) -> None:
    write_files(folder, whisper(tokenizer_json=None))
    (folder / "tokenizer.json").symlink_to(folder / "tokenizer.json")


OTHERS: dict[str, Fault] = {
    **{f"a link for {name}": Fault(linked(name), f"{name} in .* is a symbolic link") for name in WHISPER},
    "a link to itself": Fault(looped, "lacks tokenizer.json"),
    "a link to nowhere": Fault(
        lambda folder: (folder / "m.gguf").symlink_to("/nowhere"),
        "does not exist",
        "invalid_request",
        "m.gguf",
    ),
    "a pickle": fault({"pytorch_model.bin": b"\x80\x02}."}, "holds no model", "unsupported_media"),
    "another encoder": fault(
        {"model.bin": ctranslate2(variable("a", (4,)), kind="TransformerSpec")},
        "no Whisper",
        "unsupported_media",
    ),
    "a description that is no JSON": fault(
        {"v.onnx": VOICE, "v.onnx.json": b"{"}, "is missing", "unsupported_media"
    ),
    "two models": fault({"a.gguf": gguf(), "b.gguf": gguf()}, "several models", "invalid_request"),
}


def _gguf_fault(value: bytes | tuple[bytes, str] | tuple[bytes, str, str]) -> Fault:
    data, *rest = value if isinstance(value, tuple) else (value, "is not a whole GGUF file")
    return fault({"model.gguf": data}, *(rest or ["is not a whole GGUF file"]))


FAULTS: dict[str, Fault] = {
    **{f"GGUF: {name}": _gguf_fault(value) for name, value in GGUF.items()},
    **{f"CTranslate2: {name}": fault(files, words) for name, (files, words) in CT2.items()},
    **{f"Piper: {name}": fault(files, words) for name, (files, words) in PIPER.items()},
    **OTHERS,
}
