"""An engine around scripted models, and a set about a small museum."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aura_local.engine import Engine
from aura_local.evaluation.dataset import EvaluationSet, read_set
from aura_local.evaluation.subject import Subject
from tests.evaluation.sets import line, write_set
from tests.support.engine import ScriptedRoom, open_museum, open_scripted_engine

DOCUMENTS = {
    "hours.md": "The museum opens at nine.",
    "dogs.md": "Guide dogs may come in with their owner.",
    "cafe.md": "Coffee and cake are served until noon.",
    "tower.md": "The tower has two hundred steps.",
}
CAFE: dict[str, Any] = {"doc": "docs/cafe.md", "gold": [{"document_only": True}]}
LINES = [
    line(1, question="The museum opens at what hour?", answer="nine"),
    line(
        2,
        question="May guide dogs come in?",
        doc="docs/dogs.md",
        gold=[{"text": "Guide dogs may come in with their owner."}],
    ),
    line(3, type="whole", question="Coffee and cake until noon?", **CAFE),
    line(4, type="whole", question="The tower has how many steps?", **CAFE),
    line(5, type="none", question="Who invented zeppelins?", doc=None, gold=[]),
]
"""The fourth is wrong on purpose: what it asks stands in another document."""


@dataclass
class Scene:
    engine: Engine
    subject: Subject
    evaluation: EvaluationSet
    stages: list[tuple[str, int, int]] = field(default_factory=list)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    evaluation = read_set(write_set(tmp_path / "set", LINES, DOCUMENTS))
    stages: list[tuple[str, int, int]] = []
    room = ScriptedRoom(trusted=False)
    async with open_scripted_engine(tmp_path, room=room) as engine, open_museum(engine) as handle:
        subject = Subject(
            handle=handle,
            ingestion=engine.ingestion,
            retriever=engine.retriever,
            embedder=room.engine("embedder"),
            upload_limit_bytes=1000,
            progress=lambda *stage: stages.append(stage),
        )
        yield Scene(engine, subject, evaluation, stages)
