"""`aura ingest`: which files are taken, and what is said about each."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from aura_local.commands.document_files import documents_in
from aura_local.data_home import open_data_home
from aura_local.retrieval.documents import document_rows
from aura_local.settings_sources import load_settings
from tests.commands.invoking import Aura


def test_folders_give_documents_and_named_files_are_always_taken(tmp_path: Path) -> None:
    for name in ("b.md", "a.txt", "photo.gif", ".hidden.txt", ".git/x.txt", "deep/er/c.PDF"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    named = tmp_path / "folder" / "photo.gif"
    taken = [path.name for path in documents_in([tmp_path / "folder", named, named])]
    assert taken == ["a.txt", "b.md", "c.PDF", "photo.gif"]


def test_a_path_that_does_not_exist_is_wrong_usage(aura: Aura, tmp_path: Path) -> None:
    aura("ingest", str(tmp_path / "nothing"), code=2)


def test_a_folder_without_documents_is_wrong_usage(aura: Aura, tmp_path: Path) -> None:
    assert "No documents" in aura("ingest", str(tmp_path), code=2).stderr


@pytest.mark.engines
def test_good_files_are_indexed_although_one_fails(aura: Aura, tmp_path: Path) -> None:
    aura("tenant", "create", "Old Mill")
    (tmp_path / "hours.txt").write_text("The mill is open from nine to five.")
    (tmp_path / "virus.pdf").write_bytes(b"MZ\x00\x00")
    good, bad = aura.json("ingest", str(tmp_path / "hours.txt"), str(tmp_path / "virus.pdf"), code=1)[
        "documents"
    ]
    assert (good["status"], good["passages"], good["reason"]) == ("indexed", 1, None)
    assert bad["status"] == "failed"
    assert "Windows program" in bad["reason"]
    assert aura.json("tenant", "list")["tenants"][0]["documents"] == 2

    again = aura("ingest", str(tmp_path / "hours.txt"))
    assert again.stdout == "1 of 1 documents are indexed, 1 passages.\n"
    assert aura.json("tenant", "list")["tenants"][0]["documents"] == 2


@pytest.mark.engines
def test_public_documents_are_for_visitors_too(aura: Aura, tmp_path: Path) -> None:
    """Also those that were there already; without the option nothing is published, and nothing withdrawn."""
    aura("tenant", "create", "Old Mill")
    hours = tmp_path / "hours.txt"
    hours.write_text("The mill is open from nine to five.")

    async def audiences() -> list[str]:
        async with open_data_home(load_settings({}, aura.environment).values) as data:
            (tenant,) = await data.catalog.tenants()
            async with data.leases.lease(tenant.id) as handle:
                return [record.audience for record in await handle.database.read(document_rows)]

    for options, expected in (([], "members"), (["--public"], "public"), ([], "public")):
        aura("ingest", str(hours), *options)
        assert anyio.run(audiences) == [expected]


def test_only_folders_are_kept_in_step_and_told_line_by_line(aura: Aura, tmp_path: Path) -> None:
    (tmp_path / "hours.txt").write_text("Open at nine.")
    assert "Only folders" in aura("ingest", str(tmp_path / "hours.txt"), "--watch", code=2).stderr
    assert aura.json("ingest", str(tmp_path), "--watch", code=2)["error"]["code"] == "invalid_request"


@pytest.mark.engines
def test_documents_are_read_again_in_their_place(aura: Aura, tmp_path: Path) -> None:
    aura("tenant", "create", "Old Mill")
    hours = tmp_path / "hours.txt"
    hours.write_text("The mill is open from nine to five.\n\nIt is closed on Monday.")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing else")
    good, _ = aura.json("ingest", str(hours), str(tmp_path / "broken.pdf"), code=1)["documents"]

    (read,) = aura.json("reindex", "--read", code=1)["read"]
    assert read["tenant"] == "Old Mill"
    broken, again = sorted(read["documents"], key=lambda document: str(document["status"]))
    assert again == {name: good[name] for name in ("id", "status", "passages", "reason")}
    assert broken["status"] == "failed"
    aura("reindex", good["id"], code=2)
    aura("reindex", "--read", "--all", good["id"], code=2)
