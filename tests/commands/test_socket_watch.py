"""The kernel's tables, of this process, of a child, and of a process made of files."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aura_local.commands.socket_watch import SeenSocket, SocketWatch, sockets_of

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
CONNECT = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))):
    sys.stdin.read()
"""


def row(remote: str, inode: int) -> str:
    return (
        f"   0: 0100007F:1F90 {remote} 01 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"
    )


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Process 7 has two sockets and a child, 8, which has another."""
    for process, inodes in ((7, (11, 12)), (8, (13,))):
        folder = tmp_path / str(process)
        (folder / "fd").mkdir(parents=True)
        (folder / "net").mkdir()
        (folder / f"task/{process}").mkdir(parents=True)
        (folder / f"task/{process}/children").write_text("8 " if process == 7 else "")
        for number, inode in enumerate(inodes):
            (folder / f"fd/{number}").symlink_to(f"socket:[{inode}]")
    (tmp_path / "7/fd/9").symlink_to("/dev/null")
    (tmp_path / "7/net/tcp").write_text(HEADER + row("0100007F:1F91", 11) + row("070200C0:01BB", 99))
    (tmp_path / "7/net/udp6").write_text(HEADER + row("B80D01200000000000000000BB010000:0035", 12))
    (tmp_path / "8/net/tcp").write_text(HEADER + row("070200C0:01BB", 13))
    return tmp_path


def test_own_sockets_and_those_of_children_are_found_and_no_others(proc: Path) -> None:
    found = sorted(sockets_of(proc, 7))
    assert found == [
        SeenSocket("tcp", "127.0.0.1", 8081),
        SeenSocket("tcp", "192.0.2.7", 443),
        SeenSocket("udp6", "2001:db8::1bb", 53),
    ]
    assert [one.leaves_the_machine for one in found] == [False, True, True]
    assert [one.is_lookup for one in found] == [False, False, True]


def test_processes_that_end_meanwhile_are_left_out(proc: Path) -> None:
    (proc / "7/task/7/children").write_text("8 4711 ")
    assert len(list(sockets_of(proc, 7))) == 3
    assert list(sockets_of(proc, 4711)) == []


@pytest.mark.parametrize(
    ("address", "leaves"),
    [("::ffff:127.0.0.1", False), ("::ffff:10.0.0.1", True), ("::", False), ("fe80::1", True)],
)
def test_what_leaves_the_machine(address: str, leaves: bool) -> None:
    assert SeenSocket("tcp6", address, 443).leaves_the_machine is leaves


def test_a_running_watch_sees_its_own_process_and_its_child() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, SocketWatch() as watch:
        port = server.getsockname()[1]
        command = [sys.executable, "-c", CONNECT, str(port)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert child.stdin is not None
        try:
            assert watch.wait_for(lambda seen: seen == SeenSocket("tcp", "127.0.0.1", port), 10)
            assert watch.samples > 0
        finally:
            child.stdin.close()
            child.wait()
    assert SeenSocket("tcp", "0.0.0.0", 0) in watch.take()  # the listening socket
    assert watch.take() == []
