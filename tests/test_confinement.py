"""What the system holds back, read from files as the kernel writes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from aura_local.confinement import confinement

HEADER = "Inter-|   Receive\n face |bytes\n"
ROUTES = "Iface\tDestination\tGateway\n"
UNIT = "0::/system.slice/aura.service\n"
LOOPBACK_ROUTE = f"{'0' * 31}1 80 {'0' * 32} 00 {'0' * 32} 00000000 00000002 00000000 80200001 lo\n"
EVERYTHING = {"IPAddressDeny": "0.0.0.0/0 ::/0", "IPAddressAllow": "127.0.0.0/8 ::1/128"}


def system(
    folder: Path, *interfaces: str, route: str = "", cgroup: str = "0::/user.slice/session.scope\n"
) -> Path:
    (folder / "self/net").mkdir(parents=True)
    (folder / "self/net/dev").write_text(HEADER + "".join(f"  {name}: 0 0\n" for name in interfaces))
    (folder / "self/net/route").write_text(ROUTES + route)
    (folder / "self/net/ipv6_route").write_text(LOOPBACK_ROUTE)
    (folder / "self/cgroup").write_text(cgroup)
    return folder


def unasked(unit: str) -> Mapping[str, str]:
    raise AssertionError(unit)


@pytest.mark.parametrize("interfaces", [("lo",), ("lo", "tunl0", "sit0")])
def test_loopback_alone_is_a_namespace(tmp_path: Path, interfaces: tuple[str, ...]) -> None:
    found = confinement(system(tmp_path, *interfaces), unasked)
    assert (found.kind, found.holds_native_code) == ("namespace", True)


def test_a_tunnel_with_a_route_is_a_way_out(tmp_path: Path) -> None:
    found = confinement(system(tmp_path, "lo", "tunl0", route="tunl0\t00000000\t0\n"), unasked)
    assert (found.kind, found.holds_native_code) == ("none", False)


def test_an_unplugged_machine_is_not_confined(tmp_path: Path) -> None:
    found = confinement(system(tmp_path, "lo", "eth0"), unasked)
    assert found.kind == "none"
    assert "no route" in found.explanation
    plugged = confinement(system(tmp_path / "other", "lo", "eth0", route="eth0\t00000000\t0\n"), unasked)
    assert "no route" not in plugged.explanation


def test_a_unit_that_denies_all_addresses_confines(tmp_path: Path) -> None:
    asked: list[str] = []

    def read(unit: str) -> Mapping[str, str]:
        asked.append(unit)
        return EVERYTHING

    found = confinement(system(tmp_path, "lo", "eth0", cgroup=UNIT), read)
    assert (found.kind, found.holds_native_code, found.reachable) == ("systemd", True, ())
    assert asked == ["aura.service"]


def test_networks_that_a_unit_lets_through_are_named(tmp_path: Path) -> None:
    properties = EVERYTHING | {"IPAddressAllow": "192.168.0.0/16 127.0.0.0/8"}
    found = confinement(system(tmp_path, "lo", "eth0", cgroup=UNIT), lambda _: properties)
    assert found.reachable == ("192.168.0.0/16",)
    assert "192.168.0.0/16 and this machine" in found.explanation


@pytest.mark.parametrize(
    "properties", [{}, {"IPAddressDeny": ""}, {"IPAddressDeny": "0.0.0.0/0"}, {"IPAddressDeny": "10.0.0.0/8"}]
)
def test_a_unit_that_denies_less_does_not(tmp_path: Path, properties: dict[str, str]) -> None:
    assert confinement(system(tmp_path, "lo", "eth0", cgroup=UNIT), lambda _: properties).kind == "none"


@pytest.mark.parametrize(
    "cgroup",
    [
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/aura.service\n",
        "1:name=systemd:/system.slice/aura.service\n0::/\n",
        "0::/system.slice\n",
    ],
)
def test_a_filter_that_systemd_could_not_set_is_not_believed(tmp_path: Path, cgroup: str) -> None:
    assert confinement(system(tmp_path, "lo", "eth0", cgroup=cgroup), unasked).kind == "none"


def test_a_system_that_tells_nothing_counts_as_open(tmp_path: Path) -> None:
    assert confinement(tmp_path, unasked).kind == "none"


@pytest.mark.namespace
def test_a_real_namespace_is_found() -> None:
    script = "from aura_local.confinement import confinement; print(confinement().kind)"
    unshare = ("unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", script)
    run = subprocess.run(unshare, capture_output=True, text=True, check=False)
    assert run.stdout == "namespace\n", run.stderr
