"""Whether choosing a model would leave its job done. Layer 2."""

from __future__ import annotations

from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.store import ModelStore
from aura_local.errors import AuraError, InvalidRequest, ModelDamaged, ModelMissing


def refuse_useless(store: ModelStore, entry: ModelEntry, language: str) -> None:
    """Raises `ModelMissing`, `ModelDamaged` (by size alone), and `InvalidRequest` for another language.

    `language` is the one that is spoken here, `voice.language`. Blocks.
    """
    if entry.waits_for is not None:
        raise ModelMissing(f"{entry.name} cannot be used yet: it waits for {entry.waits_for}.")
    bound = entry.job in ("speech_to_text", "text_to_speech") and "any" not in entry.languages
    if bound and language not in entry.languages:
        raise InvalidRequest(
            f"{entry.name} is for {', '.join(entry.languages)}, but voice.language is {language}: set that "
            "first, or choose another model."
        )
    (status,) = (status for status in store.available() if status.entry is entry)
    if status.problem is not None:
        kind: type[AuraError] = ModelMissing if status.state == "missing" else ModelDamaged
        raise kind(status.problem)
