"""The real client against a hub that does everything wrong: every model ends whole or absent."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from aura_local.catalogue.file_download import MOST_FRUITLESS
from aura_local.catalogue.hub_client import MOST_REDIRECTS, PURPOSE
from aura_local.catalogue.records import Records
from aura_local.errors import AuraError, InvalidRequest, ModelMissing, StorageDamaged, StorageFull
from tests.catalogue.made_models import CHATML, gguf, hub_entry, write_files
from tests.catalogue.pull_world import ENTRY, FILES, LARGE, World
from tests.support.model_hub import ModelHub, Trouble


@pytest.mark.anyio
async def test_a_model_is_downloaded_whole_under_permits_and_its_licence_recorded(world: World) -> None:
    await world.installs()
    assert {notice.permit.purpose for notice in world.notices} == {PURPOSE}
    assert {notice.event for notice in world.notices} == {"permitted"}
    assert max(world.progress) == len(LARGE)
    record = Records(world.folder.path).licences()["small"]
    assert (record.licence, record.accepted) == ("MIT", False)
    assert not list((world.folder.path / ".staging").iterdir())


@pytest.mark.anyio
async def test_fifty_cuts_at_random_points_cost_no_byte_twice(world: World, hub: ModelHub) -> None:
    chance = random.Random(50)
    hub.meets("model.bin", *(Trouble(cut_after=chance.randint(1, 12_000)) for _ in range(50)))
    await world.installs()
    assert not hub.troubles["model.bin"]  # all fifty were met
    assert len(hub.ranges) == 50
    assert hub.sent_bytes == sum(map(len, FILES.values()))


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(8))
async def test_cut_connections_of_all_kinds_end_in_the_whole_file(
    world: World, hub: ModelHub, seed: int
) -> None:
    chance = random.Random(seed)
    kinds = [
        Trouble(cut_after=0),
        Trouble(cut_after=chance.randint(0, 40_000)),
        Trouble(status=429, retry_after="7"),
        Trouble(status=chance.choice([500, 502, 503, 504])),
        Trouble(cut_after=100_000, ignores_ranges=True),
        Trouble(cut_after=100_000, tag='W/"weak"'),
        Trouble(cut_after=50_000, shifts_range=True),
        Trouble(cut_after=50_000, silent=True),
    ]
    hub.meets("model.bin", *chance.sample(kinds, len(kinds)))
    await world.installs()
    assert not hub.troubles["model.bin"]
    assert 7.0 in world.waits_s  # as long as the hub asked for


@pytest.mark.anyio
async def test_a_slow_line_loses_nothing_when_it_is_cut(world: World, hub: ModelHub) -> None:
    hub.meets("model.bin", *(Trouble(piece_bytes=997, cut_after=90_001) for _ in range(4)))
    await world.installs()
    assert hub.sent_bytes == sum(map(len, FILES.values()))


@pytest.mark.anyio
async def test_a_file_that_changed_between_two_attempts_begins_anew(world: World, hub: ModelHub) -> None:
    hub.meets("model.bin", Trouble(cut_after=100_000, tag='"another"'))
    await world.installs()
    assert hub.ranges == []  # the tag differed, so the storage sent all of it


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (Trouble(status=404), "404"),
        (Trouble(status=401), "wants a sign-in"),
        (Trouble(status=403), "forbids"),
        (Trouble(length=399_999, silent=True), "399999 bytes instead of 400000"),
        (Trouble(length=400_001, silent=True), "400001 bytes instead of 400000"),
        (Trouble(claims="0" * 64), f"SHA-256 {'0' * 64} instead of"),
        (Trouble(redirect="/loop"), f"more than {MOST_REDIRECTS} times"),
        (Trouble(redirect="https://elsewhere.example/file"), "https://elsewhere.example"),
        (Trouble(redirect="http://192.168.7.7/file"), "http://192.168.7.7"),
        (Trouble(redirect="file:///etc/passwd"), "file://"),
    ],
)
async def test_what_cannot_become_right_is_refused_at_once(
    world: World, hub: ModelHub, trouble: Trouble, message: str
) -> None:
    hub.always["model.bin"] = trouble
    error = await world.refused()
    assert message in error.message
    assert not error.retryable
    assert world.waits_s == []


@pytest.mark.anyio
@pytest.mark.parametrize("trouble", [Trouble(status=503), Trouble(status=429), Trouble(cut_after=0)])
async def test_a_hub_that_brings_nothing_is_given_up(world: World, hub: ModelHub, trouble: Trouble) -> None:
    hub.always["model.bin"] = trouble
    error = await world.refused()
    assert (error.code, error.retryable) == ("download_failed", True)
    assert len(world.waits_s) == MOST_FRUITLESS - 1
    # With pauses that grow, so that a busy hub is not hurried.
    assert world.waits_s[-1] > 3 * world.waits_s[0]


@pytest.mark.anyio
async def test_wrong_bytes_are_quarantined_with_both_digests_named(world: World, hub: ModelHub) -> None:
    hub.meets("model.bin", Trouble(flip=7))
    error = await world.refused()
    assert error.code == "model_damaged"
    quarantined = world.folder.path / ".quarantine" / "small" / "model.bin"
    assert str(quarantined) in error.message
    assert ENTRY.files[0].sha256 in error.message
    assert quarantined.read_bytes() != LARGE
    await world.installs()  # the next attempt fetches it anew, and the other file is there already
    assert sum("words.txt" in path for path in hub.requests) == 2


@pytest.mark.anyio
async def test_a_damaged_model_is_mended_by_its_damaged_files_alone(world: World, hub: ModelHub) -> None:
    await world.installs()
    (world.folder.model("small") / "text/words.txt").write_bytes(b"one two thre!")
    before = hub.sent_bytes
    await world.installs()
    assert hub.sent_bytes - before == len(FILES["text/words.txt"])


@pytest.mark.anyio
async def test_an_unknown_digest_is_pinned_by_the_first_download(world: World, hub: ModelHub) -> None:
    entry = hub_entry("small", FILES, pinned=["text/words.txt"])
    await world.installs(entry)
    world.folder.remove("small")
    hub.files["text/words.txt"] = b"four five six"
    error = await world.refused(entry)
    assert "text/words.txt is another file at the hub" in error.message
    hub.files["text/words.txt"] = FILES["text/words.txt"]
    await world.installs(entry)


@pytest.mark.anyio
async def test_a_pin_that_cannot_be_read_is_not_made_anew(world: World) -> None:
    write_files(world.folder.path, {"pins.json": b"{"})
    with pytest.raises(StorageDamaged, match=r"pins\.json is damaged"):
        await world.pull(ENTRY)


@pytest.mark.anyio
async def test_no_space_is_noticed_before_anything_is_fetched(world: World, hub: ModelHub) -> None:
    with pytest.raises(StorageFull, match="MB free"):
        await world.pull(ENTRY, free=lambda folder: len(LARGE))
    assert hub.requests == []
    (outcome,) = await world.pull(ENTRY, free=lambda folder: len(LARGE) + 13)
    assert outcome.error is None


@pytest.mark.anyio
async def test_one_model_that_fails_does_not_stop_the_others(world: World, hub: ModelHub) -> None:
    hub.files["other.bin"] = b"other"
    other = hub_entry("other", {"other.bin": b"other"})
    hub.always["model.bin"] = Trouble(status=404)
    outcomes = await world.pull(ENTRY, other)
    assert [outcome.error is None for outcome in outcomes] == [False, True]


@pytest.mark.anyio
async def test_terms_that_must_be_accepted_are_and_it_is_recorded(world: World) -> None:
    entry = hub_entry("small", FILES, licence_notice="Say who made it.", licence_acceptance=True)
    with pytest.raises(InvalidRequest, match=r"Say who made it\. .*--accept-licence") as refusal:
        await world.pull(entry)
    assert refusal.value.code == "licence_not_accepted"
    (outcome,) = await world.pull(entry, accepted=True)
    assert outcome.error is None
    record = Records(world.folder.path).licences()["small"]
    assert (record.accepted, record.notice) == (True, "Say who made it.")


@pytest.mark.anyio
async def test_what_nothing_here_can_use_is_not_downloaded(world: World, hub: ModelHub) -> None:
    with pytest.raises(ModelMissing, match="waits for an engine"):
        await world.pull(hub_entry("small", FILES, waits_for="an engine"))
    assert hub.requests == []


@pytest.mark.anyio
async def test_a_language_model_that_cannot_roll_back_is_not_installed(world: World, hub: ModelHub) -> None:
    for name, architecture in (("good", "qwen3"), ("bad", "gemma3")):
        data = gguf({"general.architecture": architecture, "tokenizer.chat_template": CHATML})
        hub.files[f"{name}.gguf"] = data
        fields = {"job": "language_model", "engine": "llama"}
        entry = hub_entry(name, {f"{name}.gguf": data}, **fields)
        if name == "good":
            await world.installs(entry, {"good.gguf": data})
        else:
            assert "gemma3" in (await world.refused(entry)).message


@pytest.mark.anyio
async def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path, hub: ModelHub) -> None:
    write_files(tmp_path, {"models": b"a file where the folder should be"})
    with pytest.raises(AuraError, match="cannot be used") as refusal:
        await World(tmp_path, hub).pull(ENTRY)
    assert refusal.value.code == "storage_unavailable"
