"""server/README.md is the protocol: every message has an example there, and every example is valid."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aura_server.problems import PLACES
from aura_server.voice_encoding import encode_audio
from aura_server.voice_messages import (
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    Wire,
    message_type,
    parse_client_message,
)

from aura_local.settings import LimitSettings

DOCUMENT = (Path(__file__).parents[2] / "server" / "README.md").read_text(encoding="utf-8")
MODELS = {message_type(model): model for model in (*CLIENT_MESSAGES, *SERVER_MESSAGES)}
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", DOCUMENT, re.M | re.S))
EXAMPLES = re.findall(r"```json\n(.*?)\n```", DOCUMENT, re.S)


def fields_in_table(section: str) -> set[str]:
    first_cells = re.findall(r"^\| (`.*?) \|", section, re.M)
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_message_has_a_section_and_every_section_a_message() -> None:
    assert set(SECTIONS) == set(MODELS)


@pytest.mark.parametrize("kind", MODELS)
def test_a_section_has_an_example_of_its_message_and_names_every_field(kind: str) -> None:
    section = SECTIONS[kind]
    examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)\n```", section, re.S)]
    assert [example["type"] for example in examples] == [kind] * len(examples)
    assert examples
    fields = set(MODELS[kind].model_fields) - {"type"}
    if kind != "ready":
        fields -= {"sequence"}  # said once for all
    assert fields_in_table(section) == fields


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: str(text)[:40])
def test_an_example_is_valid(text: str) -> None:
    example: dict[str, Any] = json.loads(text)
    model: type[Wire] = MODELS[example["type"]]
    model.model_validate_json(text)
    if model in CLIENT_MESSAGES:
        parse_client_message(text, question_characters=LimitSettings().question_characters)
    with pytest.raises(ValueError, match="extra_forbidden"):
        model.model_validate_json(json.dumps({**example, "surprise": 1}))


def test_the_binary_example_is_what_the_server_sends() -> None:
    (text,) = re.findall(r"```hex\n(.*?)\n```", DOCUMENT, re.S)
    pcm = b"".join(value.to_bytes(2, "little", signed=True) for value in (1, -2, 32767))
    assert bytes.fromhex(text) == encode_audio(3, 480, pcm)


def test_every_close_code_of_the_table_of_problems_is_explained() -> None:
    explained = set(map(int, re.findall(r"^\| (\d{4}) \|", DOCUMENT, re.M)))
    unused = {1003}  # for kinds of files, which do not come over the socket
    assert {place.close_code for place in PLACES.values()} - unused <= explained


def test_the_limits_named_are_the_defaults() -> None:
    names = re.findall(r"`limits\.(\w+)`", DOCUMENT)
    assert len(names) >= 8
    assert set(names) <= set(LimitSettings.model_fields)
    limits = LimitSettings()
    rows = dict(re.findall(r"^\| .*? \| (.*?) \| `limits\.(\w+)`", DOCUMENT, re.M))
    told = {name: value for value, name in rows.items()}
    assert told["start_deadline_s"] == f"{limits.start_deadline_s:g} s"
    assert told["socket_frame_bytes"] == f"{limits.socket_frame_bytes // 1024} KiB"
    assert told["idle_s"].startswith(f"{limits.idle_s:g} s")
    assert told["input_stall_ms"] == f"{limits.input_stall_ms // 1000} s"
    assert told["session_s"] == f"{limits.session_s // 3600:g} h"
