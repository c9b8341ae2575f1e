"""A data folder beside a hub that can be told to do wrong, and the real client between them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from aura_local.catalogue.hub_address import HubAddress
from aura_local.catalogue.hub_client import HubClient
from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.models_folder import ModelsFolder
from aura_local.catalogue.pull_plan import plan_pull
from aura_local.catalogue.pulling import Pulled, Puller
from aura_local.egress_permits import EgressNotice, EgressPermits
from aura_local.errors import AuraError
from tests.catalogue.made_models import contents, hub_entry
from tests.support.model_hub import ModelHub

LARGE = random.Random(5).randbytes(400_000)
FILES = {"model.bin": LARGE, "text/words.txt": b"one two three"}
ENTRY = hub_entry("small", FILES)


class World:
    """A data folder beside a hub. No wait is waited for; `waits_s` has them."""

    def __init__(self, path: Path, hub: ModelHub) -> None:
        self.folder = ModelsFolder(path / "models")
        self.hub = hub
        self.waits_s: list[float] = []
        self.notices: list[EgressNotice] = []
        self.progress: list[int] = []

    async def pull(self, *entries: ModelEntry, accepted: bool = False, **options: Any) -> list[Pulled]:
        address = HubAddress.checked(self.hub.address, (), None)
        puller = Puller(
            self.folder,
            HubClient(address, EgressPermits(self.notices.append)),
            reserve_bytes=0,
            wait=self.waits_s.append,
            progress=lambda entry, file, arrived_bytes: self.progress.append(arrived_bytes),
            **options,
        )
        return await puller.pull(plan_pull(entries, self.folder, licences_accepted=accepted))

    async def installs(self, entry: ModelEntry = ENTRY, files: dict[str, bytes] = FILES) -> None:
        """The model is pulled, and is what the hub has."""
        (outcome,) = await self.pull(entry)
        assert outcome.error is None, outcome.error
        assert contents(self.folder.model(entry.name)) == files

    async def refused(self, entry: ModelEntry = ENTRY) -> AuraError:
        """The model is not installed, and nothing of it can be taken for it."""
        (outcome,) = await self.pull(entry)
        assert outcome.error is not None
        assert not self.folder.model(entry.name).exists()
        return outcome.error
