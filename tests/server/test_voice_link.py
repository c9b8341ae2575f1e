"""The numbered messages of a session, and the connections that fetch them."""

from __future__ import annotations

import json

import anyio
import pytest
from aura_server.paced_audio import PacedSink
from aura_server.voice_link import Attachment, Close, VoiceLink
from aura_server.wakeup import Wakeup

from aura_local.errors import DeadlineExceeded, ProtocolViolation

pytestmark = pytest.mark.anyio


class Outlet:
    """A socket that keeps what it is given, or takes nothing any more."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self.blocked = False

    async def send_text(self, data: str) -> None:
        if self.blocked:
            await anyio.sleep_forever()
        self.sequences.append(json.loads(data)["sequence"])

    async def send_bytes(self, data: bytes) -> None:
        raise AssertionError("there is no audio here")


def new_link(kept_messages: int = 10, send_deadline_s: float = 5) -> VoiceLink:
    wakeup = Wakeup()
    sink = PacedSink(16_000, announce_flush=lambda *_: None, wakeup=wakeup)
    return VoiceLink(sink, wakeup, send_deadline_s=send_deadline_s, kept_messages=kept_messages)


def publish(link: VoiceLink, count: int) -> None:
    for _ in range(count):
        link.publish({"type": "accepted", "samples": 0})


async def fetch(link: VoiceLink, attachment: Attachment) -> list[int]:
    outlet = Outlet()
    link.end(attachment, Close(1000))
    await link.serve(attachment, outlet)
    return outlet.sequences


async def test_messages_are_numbered_after_ready() -> None:
    link = new_link()
    publish(link, 3)
    assert await fetch(link, link.attach()) == [2, 3, 4]


async def test_only_what_was_not_seen_comes_again() -> None:
    link = new_link()
    publish(link, 5)
    assert await fetch(link, link.attach(4)) == [5, 6]
    assert await fetch(link, link.attach(6)) == []
    with pytest.raises(ProtocolViolation):
        link.attach(7)


async def test_only_so_many_are_kept_and_the_gap_is_visible() -> None:
    link = new_link(kept_messages=3)
    publish(link, 10)
    attachment = link.attach(2)
    assert attachment.next_sequence == 9
    assert await fetch(link, attachment) == [9, 10, 11]


async def test_a_connection_that_lags_behind_what_is_kept_is_dropped() -> None:
    link = new_link(kept_messages=3)
    attachment = link.attach()
    publish(link, 4)
    with pytest.raises(DeadlineExceeded):
        await link.serve(attachment, Outlet())


async def test_a_client_that_does_not_read_holds_up_nobody_and_is_dropped() -> None:
    link = new_link(kept_messages=1000, send_deadline_s=0.01)
    attachment, outlet = link.attach(), Outlet()
    outlet.blocked = True
    publish(link, 1000)
    with pytest.raises(DeadlineExceeded):
        await link.serve(attachment, outlet)
    assert link.detach(attachment)
    assert len(await fetch(link, link.attach())) == 1000


async def test_the_end_is_delivered_only_to_a_connection_that_had_everything() -> None:
    link = new_link()
    publish(link, 2)
    link.finish(Close(1000, "over"))
    assert not link.delivered
    gone = link.attach()
    link.detach(gone)
    await link.serve(gone, Outlet())
    assert not link.delivered
    attachment, outlet = link.attach(), Outlet()
    assert await link.serve(attachment, outlet) == Close(1000, "over")
    assert outlet.sequences == [2, 3]
    assert link.delivered


async def test_a_replaced_connection_gets_nothing_more() -> None:
    link = new_link()
    first = link.attach()
    second = link.attach()
    publish(link, 1)
    outlet = Outlet()
    assert (await link.serve(first, outlet)).code == 4409
    assert outlet.sequences == []
    assert not link.detach(first)
    assert link.attached
    assert await fetch(link, second) == [2]
