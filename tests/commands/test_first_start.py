"""`aura serve` from the outside: the owner's set-up link, and a start behind a passphrase."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from aura_local.errors import AuthenticationFailed
from tests.commands.invoking import Aura
from tests.commands.test_master_key import WORDS, ask_for, written
from tests.commands.test_tenant import actions
from tests.commands.test_user import people, redeem

SERVE = (sys.executable, "-m", "aura_server", "--port", "0", "--json-logs")


@contextmanager
def served(aura: Aura, log: Path) -> Iterator[list[str]]:
    """What the server says until it is ready; its log goes to `log`. It ends well afterwards."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
    settings = aura.environment | {"AURA_ENGINES__LANGUAGE_MODEL": "extractive"}
    with (
        log.open("w") as errors,
        subprocess.Popen(
            SERVE, env=kept | settings, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            said: list[str] = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("Ready"):
                    break
            yield said
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            assert process.wait(timeout=20) == 0, log.read_text()
        finally:
            process.kill()


def links(said: list[str]) -> list[tuple[str, str]]:
    """Address and secret of the set-up links among the lines."""
    return re.findall(r"(http://127\.0\.0\.1:\d+)/#link=(\S+)", "".join(said))


def test_each_start_prints_a_link_until_there_is_an_owner_and_nothing_else_opens(
    aura: Aura, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with served(aura, log) as said:
        ((_, voided),) = links(said)
        assert aura.json("tenant", "list") == {"tenants": []}  # beside the running server
    assert voided not in log.read_text()
    with served(aura, log) as said:
        ((address, secret),) = links(said)
        assert secret != voided
        with httpx.Client(base_url=address, timeout=20, trust_env=False) as client:
            for credential in (secret, voided, "admin", "aura"):
                headers = {"authorization": f"Bearer {credential}"}
                assert client.get("/api/tenants", headers=headers).status_code == 401
        with pytest.raises(AuthenticationFailed):
            redeem(aura, voided, name="Mallory", email="mallory@example.org")
        redeem(aura, secret, name="Ada", email="ada@example.org")
    assert [user["role"] for user in people(aura).values()] == ["owner"]
    with served(aura, log) as said:
        assert links(said) == []
    with pytest.raises(AuthenticationFailed):
        redeem(aura, secret, name="Mallory", email="mallory@example.org")
    assert list(people(aura)) == ["ada@example.org"]
    assert actions(aura) == ["user.invited", "user.invited"]


def test_a_sealed_start_opens_with_the_right_passphrase_alone(aura: Aura, tmp_path: Path) -> None:
    ask_for(aura, written(tmp_path / "words", WORDS))
    aura("tenant", "create", "Old Mill")
    with served(aura, tmp_path / "log") as said:
        assert said[0].startswith("AURA Local listens on")
    ask_for(aura, written(tmp_path / "wrong", "not the passphrase"))
    assert refused(aura) == (
        "error: The passphrase does not open the master key. Nothing has been changed: try again.\n"
    )
    del aura.environment["AURA_PASSPHRASE_FILE"]
    assert "set AURA_PASSPHRASE_FILE to a file that holds it" in refused(aura)


def refused(aura: Aura) -> str:
    """What a server that does not start says about it, having said nothing else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
    ended = subprocess.run(
        SERVE,
        env=kept | aura.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr
