"""docs/models.md shows the profiles as they are."""

from __future__ import annotations

from aura_local.catalogue.manifest import shipped_catalogues
from aura_local.catalogue.profiles import models_of, shipped_profiles
from aura_local.catalogue.sources import HubSource
from tests.docs.fenced_blocks import rows


def test_the_table_of_profiles_is_complete() -> None:
    entries, expected = shipped_catalogues(), []
    for name, profile in shipped_profiles().items():
        models = models_of(name, entries)
        download_bytes = sum(entry.size_bytes for entry in models if isinstance(entry.source, HubSource))
        chosen = [profile.models[job] for job in ("speech_to_text", "language_model", "text_to_speech")]
        memory = f"{sum(entry.memory_bytes for entry in models) / 1e9:.1f} GB"
        expected.append([name, profile.machine, *chosen, f"{download_bytes / 1e6:,.0f} MB", memory])
    assert rows("models.md", "Profiles") == expected
