"""Downloads that are killed, cancelled or doubled: nothing half is ever taken for a model."""

from __future__ import annotations

import signal
import sys

import pytest
from anyio import create_task_group, fail_after, open_process, to_thread

from aura_local.catalogue.hub_address import HubAddress
from aura_local.catalogue.hub_client import HubClient
from aura_local.catalogue.pull_plan import plan_pull
from aura_local.catalogue.pulling import Puller
from aura_local.egress_permits import EgressPermits
from aura_local.errors import Busy
from tests.catalogue.made_models import write_files
from tests.catalogue.pull_world import ENTRY, World
from tests.support.model_hub import ModelHub, Trouble


@pytest.mark.anyio
async def test_what_a_killed_process_left_is_gone_on_with(world: World, hub: ModelHub) -> None:
    hub.meets("model.bin", Trouble(cut_after=300_000), Trouble(status=404))
    await world.refused()
    before = hub.sent_bytes
    # As kill -9 leaves it: a model that was being replaced, and files of an entry that was another then.
    write_files(world.folder.path / ".staging" / "small.replaced", {"model.bin": b"old"})
    write_files(world.folder.files("small"), {"old.bin": b"old"})
    await world.installs()
    assert hub.sent_bytes - before == 100_000
    assert not list((world.folder.path / ".staging").iterdir())


@pytest.mark.anyio
async def test_two_downloads_at_a_time_are_refused(world: World) -> None:
    with world.folder.alone(), pytest.raises(Busy, match="Another command"):
        await world.pull(ENTRY)


KILLED = """
import sys, anyio
from pathlib import Path
from aura_local.catalogue.hub_address import HubAddress
from aura_local.catalogue.hub_client import HubClient
from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.models_folder import ModelsFolder
from aura_local.catalogue.pull_plan import plan_pull
from aura_local.catalogue.pulling import Puller
from aura_local.egress_permits import EgressPermits

folder = ModelsFolder(Path(sys.argv[1]))
client = HubClient(HubAddress.checked(sys.argv[2], (), None), EgressPermits())
entry = ModelEntry.model_validate_json(sys.argv[3])
plan = plan_pull([entry], folder, licences_accepted=False)
anyio.run(Puller(folder, client, reserve_bytes=0).pull, plan)
"""


@pytest.mark.anyio
async def test_a_process_killed_in_the_middle_leaves_no_model_and_no_lock(
    world: World, hub: ModelHub
) -> None:
    hub.meets("model.bin", Trouble(cut_after=300_000, holds=True))
    arguments = [str(world.folder.path), hub.address, ENTRY.model_dump_json(exclude_none=True)]
    async with await open_process([sys.executable, "-c", KILLED, *arguments]) as process:
        assert await to_thread.run_sync(hub.holding.wait, 30)
        process.kill()
        assert await process.wait() == -signal.SIGKILL
    hub.let_go.set()
    assert not world.folder.model("small").exists()
    await world.installs()


@pytest.mark.anyio
async def test_cancelling_stops_within_a_chunk_and_keeps_what_arrived(world: World, hub: ModelHub) -> None:
    """Control-C: the pause is ended, and no thread is left that would write into the next download."""
    hub.meets("model.bin", Trouble(cut_after=300_000))
    hub.always["model.bin"] = Trouble(status=503, retry_after="60")
    address = HubAddress.checked(hub.address, (), None)
    puller = Puller(world.folder, HubClient(address, EgressPermits()), reserve_bytes=0)
    plan = plan_pull([ENTRY], world.folder, licences_accepted=False)
    with fail_after(20):
        async with create_task_group() as tasks:
            tasks.start_soon(puller.pull, plan)
            assert await to_thread.run_sync(hub.refusing.wait, 30)
            tasks.cancel_scope.cancel()
    assert not world.folder.model("small").exists()
    hub.always.clear()
    before = hub.sent_bytes
    await world.installs()
    assert hub.sent_bytes - before <= 100_000
