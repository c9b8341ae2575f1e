"""The hook can never be removed, so each test runs it in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from aura_local.egress import OFFLINE_ENVIRONMENT, forbid_egress

PREAMBLE = """
import asyncio, os, socket, sys
from aura_local.egress import denied_attempts, denied_count, forbid_egress
from aura_local.errors import EgressDenied
forbid_egress()
forbid_egress()

def refused(call):
    try:
        call()
    except EgressDenied:
        return True
    except OSError as error:
        print("not refused but failed:", error)
    return False
"""


def run_offline(script: str) -> None:
    program = PREAMBLE + textwrap.dedent(script)
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_connections_to_other_machines_are_refused_and_counted() -> None:
    run_offline(
        """
        for family, address in (
            (socket.AF_INET, ("192.0.2.1", 443)),
            (socket.AF_INET6, ("2001:db8::1", 443)),
            (socket.AF_INET6, ("::ffff:192.0.2.1", 443)),
        ):
            with socket.socket(family, socket.SOCK_STREAM) as connection:
                assert refused(lambda: connection.connect(address)), address
                assert refused(lambda: connection.connect_ex(address)), address
        assert denied_count() == 6
        assert denied_attempts()[0].target == "192.0.2.1:443"
        """
    )


def test_datagrams_and_name_lookups_are_refused() -> None:
    run_offline(
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            assert refused(lambda: datagrams.sendto(b"x", ("192.0.2.1", 53)))
            assert refused(lambda: datagrams.sendmsg([b"x"], [], 0, ("192.0.2.1", 53)))
        assert refused(lambda: socket.getaddrinfo("example.org", 443))
        assert refused(lambda: socket.getaddrinfo(b"example.org", 443))
        assert refused(lambda: socket.gethostbyname("example.org"))
        assert refused(lambda: socket.gethostbyaddr("192.0.2.1"))
        assert refused(lambda: socket.getnameinfo(("192.0.2.1", 80), 0))
        """
    )


def test_asyncio_and_http_clients_are_refused() -> None:
    run_offline(
        """
        import urllib.request
        assert refused(lambda: asyncio.run(asyncio.open_connection("192.0.2.1", 443)))
        assert refused(lambda: urllib.request.urlopen("http://example.org/"))
        """
    )


def test_loopback_and_local_sockets_work() -> None:
    run_offline(
        """
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()
            socket.create_connection(("localhost", server.getsockname()[1])).close()
        one, two = socket.socketpair()
        one.sendmsg([b"x"])
        assert two.recv(1) == b"x"
        one.close(), two.close()

        async def serve_everywhere():
            server = await asyncio.start_server(lambda reader, writer: None, "0.0.0.0", 0)
            server.close()
            await server.wait_closed()

        asyncio.run(serve_everywhere())
        assert denied_count() == 0
        """
    )


def test_only_the_latest_attempts_are_remembered_but_all_are_counted() -> None:
    run_offline(
        """
        for number in range(150):
            refused(lambda: socket.getaddrinfo(f"host{number}.example", 80))
        assert denied_count() == 150
        assert len(denied_attempts()) == 100 and denied_attempts()[-1].target == "host149.example"
        """
    )


def test_environment_asks_libraries_to_stay_offline() -> None:
    run_offline(
        """
        assert os.environ["HF_HUB_OFFLINE"] == "1" and os.environ["ANONYMIZED_TELEMETRY"] == "False"
        assert os.environ["OMP_WAIT_POLICY"] == "passive"
        """
    )


@pytest.mark.parametrize("name", sorted(OFFLINE_ENVIRONMENT))
def test_offline_switches_win_over_the_callers_environment(name: str) -> None:
    run_offline_environment = {name: "0", "OMP_NUM_THREADS": "1"}
    script = (
        "import os; from aura_local.egress import forbid_egress, OFFLINE_ENVIRONMENT; forbid_egress(); "
        f"assert os.environ[{name!r}] == OFFLINE_ENVIRONMENT[{name!r}]; "
        "assert os.environ['OMP_NUM_THREADS'] == '1'"
    )
    environment = os.environ | run_offline_environment
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0


def test_importing_does_not_install_anything() -> None:
    script = (
        "import os, sys; before = dict(os.environ); import aura_local.egress as e; "
        "assert dict(os.environ) == before and not e._record.installed"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    assert callable(forbid_egress)
