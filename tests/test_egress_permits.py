"""A permit opens one host and port for its holder alone. The hook can never be removed, so each test runs
it in an interpreter of its own, with a resolver of the test's and names that exist nowhere.

"Not refused" shows as an error of the network, or as a connection to a server on this machine: 127.0.0.0/8
is reachable without a permit, so the permitted addresses are those of documentation networks, with
`connect_ex` on a socket that does not block: the answer is the system's, nothing waits for it. The
interpreter has a network namespace without any route, so that not even that leaves the machine.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PREAMBLE = """
import anyio, anyio.to_thread, asyncio, errno, socket, threading
from aura_local.egress import denied_attempts, denied_count, egress_summary, forbid_egress
from aura_local.egress_permits import EgressPermits
from aura_local.errors import EgressDenied, InvalidRequest
forbid_egress()

ADDRESSES = {"login.example": ["1.1.1.1", "2606:4700::1111"]}
notices = []
permits = EgressPermits(notices.append, resolve=lambda host, port: ADDRESSES[host])

def reaches(host, port=443, kind=socket.SOCK_STREAM):
    '''Whether the guard lets a connection begin.'''
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as connection:
        connection.setblocking(False)
        try:
            connection.connect_ex((host, port))
        except EgressDenied:
            return False
        return True

def refused(call, kind=EgressDenied):
    try:
        call()
    except kind:
        return True
    return False

def enter(*arguments, **options):
    with permits.permit(*arguments, **options):
        pass
"""


def run_guarded(script: str) -> None:
    program = PREAMBLE + textwrap.dedent(script)
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


pytestmark = pytest.mark.namespace


def test_a_permit_is_for_one_host_and_port_and_ends_with_its_block() -> None:
    run_guarded(
        """
        assert not reaches("1.1.1.1")
        with permits.permit("Login.Example.", 443, "login", "tenant-1") as permit:
            assert permit.addresses == ("1.1.1.1", "2606:4700::1111")
            assert reaches("1.1.1.1") and reaches("2606:4700::1111") and reaches("::ffff:1.1.1.1")
            assert not reaches("1.1.1.1", 80) and not reaches("1.0.0.1")
            assert not reaches("1.1.1.1", kind=socket.SOCK_DGRAM)
        assert not reaches("1.1.1.1")
        assert permits.counts() == {"login": {"permitted": 1, "denied": 3}}
        assert egress_summary().denied == {"": 2, "login": 3} and denied_count() == 5
        assert egress_summary().permitted == {"login": 3}
        assert [one.purpose for one in denied_attempts()] == ["", "login", "login", "login", ""]
        first = notices[0]
        assert (first.event, first.target) == ("permitted", "login.example:443")
        assert first.permit.tenant_id == "tenant-1"
        assert [one.event for one in notices] == ["permitted", "denied", "denied", "denied"]
        """
    )


def test_two_threads_one_with_a_permit_and_one_without() -> None:
    run_guarded(
        """
        inside, done, outcomes = threading.Event(), threading.Event(), {}

        def holder():
            with permits.permit("login.example", 443, "login"):
                outcomes["holder"] = reaches("1.1.1.1")
                inside.set()
                done.wait(10)

        def other():
            inside.wait(10)
            outcomes["other"] = reaches("1.1.1.1")
            done.set()

        threads = [threading.Thread(target=one) for one in (holder, other)]
        [one.start() for one in threads], [one.join() for one in threads]
        assert outcomes == {"holder": True, "other": False}, outcomes
        """
    )


def test_two_tasks_one_with_a_permit_and_one_without() -> None:
    run_guarded(
        """
        outcomes = {}

        async def main():
            inside, done = anyio.Event(), anyio.Event()
            kept = []

            async def holder():
                with permits.permit("login.example", 443, "login"):
                    inside.set()
                    outcomes["task"] = reaches("1.1.1.1")
                    outcomes["thread"] = await anyio.to_thread.run_sync(reaches, "1.1.1.1")
                    kept.append(asyncio.create_task(outlive()))
                    await done.wait()

            async def outlive():
                outcomes["inside"] = reaches("1.1.1.1")
                done.set()
                await anyio.sleep(0.01)
                outcomes["outlived"] = reaches("1.1.1.1")

            async def other():
                await inside.wait()
                outcomes["other"] = reaches("1.1.1.1")
                outcomes["other thread"] = await anyio.to_thread.run_sync(reaches, "1.1.1.1")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(other)
                tasks.start_soon(holder)
            await kept[0]

        anyio.run(main)
        expected = {"task": True, "thread": True, "inside": True, "outlived": False}
        assert outcomes == expected | {"other": False, "other thread": False}, outcomes
        """
    )


def test_only_the_name_of_the_permit_is_looked_up() -> None:
    run_guarded(
        """
        def looked_up(host, port=443):
            try:
                socket.getaddrinfo(host, port)
            except EgressDenied:
                return False
            except socket.gaierror:
                return True  # there is no network here
            return True

        with permits.permit("login.example", 443, "login"):
            assert looked_up("login.example") and looked_up("LOGIN.example", "443")
            assert not looked_up("login.example", 80) and not looked_up("other.example")
            assert refused(lambda: socket.gethostbyname("login.example"))
        assert not looked_up("login.example")
        # The resolver that a permit has by default asks with the permit's own leave.
        assert refused(lambda: EgressPermits().permit("login.example", 443, "login").__enter__())
        assert denied_attempts()[-1].target == "login.example" and denied_count() == 4
        """
    )


def test_a_name_that_answers_otherwise_later_leads_nowhere() -> None:
    run_guarded(
        """
        with permits.permit("login.example", 443, "login"):
            ADDRESSES["login.example"] = ["1.0.0.1"]
            assert not reaches("1.0.0.1") and reaches("1.1.1.1")
        """
    )


def test_private_addresses_are_refused_unless_the_permit_allows_them() -> None:
    run_guarded(
        """
        inside = (
            "10.0.0.1 192.168.1.1 127.0.0.1 169.254.169.254 0.0.0.0 224.0.0.1 100.64.0.1"
            " ::1 fd00::1 fe80::1 ::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1::1"
        )
        for address in inside.split():
            ADDRESSES["rebound.example"] = [address]
            assert refused(lambda: enter("rebound.example", 443, "login")), address
            assert refused(lambda: enter(address, 443, "login")), address
        ADDRESSES["mixed.example"] = ["10.0.0.1", "1.1.1.1"]
        with permits.permit("mixed.example", 443, "login") as permit:
            assert permit.addresses == ("1.1.1.1",) and not reaches("10.0.0.1")
        with permits.permit("mixed.example", 443, "login", private_allowed=True):
            assert reaches("10.0.0.1") and reaches("1.1.1.1")
        assert "permitted" not in {one.event for one in notices[:26]}
        """
    )


def test_what_observes_can_stop_a_permit_and_nothing_stays_open() -> None:
    run_guarded(
        """
        def broken(notice):
            raise OSError("the audit log cannot be written")

        strict = EgressPermits(broken, resolve=lambda host, port: ["1.1.1.1"])
        assert refused(lambda: strict.permit("login.example", 443, "login").__enter__(), OSError)
        assert not reaches("1.1.1.1")
        """
    )


def test_hosts_and_ports_that_cannot_be_are_refused() -> None:
    run_guarded(
        """
        for host, port in (("", 443), (".", 443), ("a b", 443), ("one.example", 0), ("one.example", 65536)):
            assert refused(lambda: enter(host, port, "login"), InvalidRequest), (host, port)
        """
    )
