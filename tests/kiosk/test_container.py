"""The container's files: what they promise, as far as it can be seen without building it."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from typing import Any

import yaml  # type: ignore[import-untyped]

from .unit_files import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def test_the_server_is_reached_from_this_machine_alone() -> None:
    (port,) = compose()["services"]["aura"]["ports"]
    assert port == "127.0.0.1:8765:8765"


def test_it_may_do_nothing_but_its_work() -> None:
    service = compose()["services"]["aura"]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp:size=256m,mode=1777,noexec,nosuid,nodev"]
    assert service["mem_limit"] == service["memswap_limit"]
    assert service["pids_limit"] > 0


def test_nothing_goes_out() -> None:
    composed = compose()
    (network,) = composed["services"]["aura"]["networks"]
    assert composed["networks"][network]["driver_opts"] == {
        "com.docker.network.bridge.enable_ip_masquerade": "false"
    }


def test_what_must_last_lies_in_volumes_with_names() -> None:
    composed = compose()
    places = dict(reversed(volume.split(":")) for volume in composed["services"]["aura"]["volumes"])
    assert set(places.values()) == set(composed["volumes"])
    declared = re.search(r"^VOLUME (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert declared is not None
    assert yaml.safe_load(declared[1]) == list(places)
    assert re.findall(r"AURA_(?:HOME|MASTER_KEY_FILE)=(/\w+)", DOCKERFILE) == ["/data", "/keys"]


def test_the_last_stage_has_no_tools_and_no_superuser() -> None:
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert re.findall(r"install --yes --no-install-recommends (.+) \\", last) == ["libgomp1"]
    assert "pip install" not in last
    assert "pip uninstall" in last
    assert re.findall(r"^USER (.+)$", last, re.MULTILINE) == ["10001:10001"]
    assert last.index("\nUSER ") < last.index("\nENTRYPOINT ")
    assert "\nHEALTHCHECK " in last


def test_all_that_is_built_from_is_sent_to_the_builder() -> None:
    sent = [line[1:] for line in IGNORED if line.startswith("!")]
    assert IGNORED[1] == "*"
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    named = [*wheel["packages"], *wheel["force-include"], "README.md", "LICENSE", "pyproject.toml"]
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
        if name != "."
    ]
    for name in (*named, *copied):
        assert (ROOT / name).exists(), name
        assert any(name == one or name.startswith(f"{one}/") for one in sent), name
    for name in sent:
        assert (ROOT / name).exists(), name
    assert not any(fnmatch.fnmatch(name, one) for name in (".git", ".venv", ".aura", "tests") for one in sent)
