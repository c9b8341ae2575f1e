"""Reads a file in this process and shows its blocks; `test_parsing` has the worker around it."""

from __future__ import annotations

from aura_local.retrieval.readers.block import Block
from aura_local.retrieval.readers.document import read_document
from aura_local.retrieval.readers.limits import ReadingLimits

LONG = "The museum was founded in 1882 by two sisters who collected clocks. " * 4


def read(data: bytes, name: str, limits: ReadingLimits | None = None) -> list[Block]:
    return list(read_document(data, name, limits or ReadingLimits())[1].blocks)


def shown(blocks: list[Block]) -> list[str]:
    """Each block as kind and text, with level and page where it has them."""
    marks = {"heading": "#", "paragraph": "", "list_item": "-", "table_row": "|"}
    return [
        f"{marks[block.kind] * max(1, block.level)}{f'@{block.page}' * (block.page > 0)} {block.text}".strip()
        for block in blocks
    ]
