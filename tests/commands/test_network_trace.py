"""What a trace of system calls is read as."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aura_local.commands.network_trace import NetworkTrace, read_trace, tracer

INET6 = (
    'sa_family=AF_INET6, sin6_port=htons({}), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "{}", &sin6_addr)'
)
HEADER = '{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("198.51.100.1")}}}'
TRACE = f"""
100 socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 5
100 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 6
100 connect(6, {{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.7")}}, 16) = -1
101 connect(9, {{{INET6.format(443, "2001:db8::1")}}}, 28 <unfinished ...>
101 connect(9, {{{INET6.format(8, "::ffff:127.0.0.1")}}}, 28) = 0
102 sendmmsg(7, [{HEADER}], 1, 0) = 1
102 connect(9, {{sa_family=AF_INET, sin_port=htons(8765), sin_addr=inet_addr("127.0.0.1")}}, 16) = 0
102 connect(9, {{sa_family=AF_UNIX, sun_path="/run/user/socket"}}, 110) = 0
102 sendto(9, "bind(inet_addr", 14, 0, NULL, 0) = 14
"""


def test_calls_are_sorted_by_where_they_go() -> None:
    trace = read_trace(TRACE.splitlines())
    assert trace == NetworkTrace(
        sockets={"UNIX": 1, "INET": 1},
        local=("127.0.0.1:8765", "[::ffff:127.0.0.1]:8"),
        foreign=("192.0.2.7:443", "198.51.100.1:9", "[2001:db8::1]:443"),
        lookups=(),
    )


@pytest.mark.parametrize(
    ("line", "lookups"),
    [
        (
            'connect(9, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0',
            ("127.0.0.53:53",),
        ),
        (
            'connect(5, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 42) = 0',
            ("io.systemd.Resolve",),
        ),
        (r'sendto(5, "\2\0\0\0\r\0\0\0\6\0\0\0hosts\0", 18, MSG_NOSIGNAL, NULL, 0) = 18', ("/nscd/socket",)),
        (r'sendto(5, "\2\0\0\0\16\0\0\0\f\0\0\0example.org\0", 24, 0, NULL, 0) = 24', ("/nscd/socket",)),
        ('connect(5, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT', ()),
        (r'sendto(5, "\2\0\0\0\1\0\0\0\2\0\0\0000\0", 14, MSG_NOSIGNAL, NULL, 0) = 14', ()),
        (r'sendto(5, "\2\0\0\0\v\0\0\0\7\0\0\0passwd\0", 19, MSG_NOSIGNAL, NULL, 0) = 19', ()),
    ],
)
def test_a_question_for_a_host_is_a_lookup_and_one_for_a_user_is_not(
    line: str, lookups: tuple[str, ...]
) -> None:
    assert read_trace([line]).lookups == lookups


def test_without_strace_there_is_no_trace_but_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tracer(tmp_path / "trace") == ((), "strace is not installed")
    strace = tmp_path / "strace"
    strace.write_text("#!/bin/sh\nexit 1\n")
    strace.chmod(0o755)
    assert tracer(tmp_path / "trace") == ((), "this system does not allow strace")


def test_a_connection_of_a_grandchild_is_in_the_trace(tmp_path: Path) -> None:
    """Where strace may be used; elsewhere the obstacle is named, and that is all there is to see."""
    log = tmp_path / "trace"
    wrapper, obstacle = tracer(log)
    assert bool(wrapper) != bool(obstacle)
    connect = "import socket; socket.socket().connect_ex(('127.0.0.1', 1))"
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {connect!r}])"
    subprocess.run([*wrapper, sys.executable, "-c", inner], check=True)
    if wrapper:
        assert read_trace(log.read_text().splitlines()).local == ("127.0.0.1:1",)
