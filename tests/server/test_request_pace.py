"""Budgets per address: what counts, what comes back, and that strangers cannot make us remember them all."""

from __future__ import annotations

import pytest
from aura_server.client_address import address_of
from aura_server.problems import ProblemMiddleware
from aura_server.request_pace import AddressPaces, RequestPaceMiddleware
from starlette.types import Message, Receive, Scope, Send

from aura_local.errors import AuthenticationFailed
from tests.server.fake_clock import FakeClock

pytestmark = pytest.mark.anyio

GOOD, WRONG = b"Bearer good", b"Bearer wrong"


class Door:
    """A small server that knows one credential."""

    def __init__(self, *, anonymous: int = 1000, failures: int = 1000) -> None:
        self.clock = FakeClock()
        self.looked_up = 0
        self.app = ProblemMiddleware(
            RequestPaceMiddleware(
                self._answer,
                anonymous_per_minute=anonymous,
                failures_per_minute=failures,
                clock=self.clock,
            )
        )

    async def _answer(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.looked_up += 1
        headers = dict(scope["headers"])
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 4401 if scope["path"] == "/wrong" else 1000})
            return
        if headers.get(b"authorization") == WRONG:
            raise AuthenticationFailed("No.")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def ask(self, credential: bytes | None = None, *, client: str = "192.0.2.1") -> int:
        headers = [] if credential is None else [(b"authorization", credential)]
        sent = await self._call({"type": "http", "path": "/", "headers": headers, "client": (client, 1)})
        return int(sent[0]["status"])

    async def open(self, path: str = "/") -> str:
        sent = await self._call(
            {
                "type": "websocket",
                "path": path,
                "headers": [],
                "client": ("192.0.2.1", 1),
                "extensions": {"websocket.http.response": {}},
            }
        )
        return str(sent[0].get("status", sent[-1].get("code")))

    async def _call(self, scope: Scope) -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        await self.app(scope, receive, send)
        return sent


async def test_refused_credentials_up_to_the_limit() -> None:
    door = Door(failures=5)
    assert [await door.ask(WRONG) for _ in range(5)] == [401] * 5
    assert await door.ask(WRONG) == 429
    assert await door.ask(GOOD) == 429, "whoever guesses must not learn that this one was right"
    assert door.looked_up == 5, "a refused address still made us look credentials up"
    assert await door.ask(GOOD, client="192.0.2.2") == 200


async def test_the_budget_comes_back_with_time() -> None:
    door = Door(failures=5)
    for _ in range(5):
        await door.ask(WRONG)
    door.clock.now_s += 11.9
    assert await door.ask(GOOD) == 429
    door.clock.now_s += 0.2
    assert await door.ask(GOOD) == 200
    assert await door.ask(WRONG) == 401
    assert await door.ask(WRONG) == 429


async def test_good_credentials_cost_nothing() -> None:
    door = Door(failures=1, anonymous=1)
    assert {await door.ask(GOOD) for _ in range(100)} == {200}


async def test_requests_without_a_credential_up_to_the_limit() -> None:
    door = Door(anonymous=5)
    assert [await door.ask() for _ in range(6)] == [200] * 5 + [429]
    assert await door.ask(GOOD) == 200
    assert await door.ask(client="192.0.2.2") == 200


async def test_sockets_count_when_their_credential_is_refused() -> None:
    door = Door(failures=3, anonymous=1)
    assert [await door.open() for _ in range(9)] == ["1000"] * 9
    assert [await door.open("/wrong") for _ in range(4)] == ["4401"] * 3 + ["429"]
    assert await door.ask(GOOD) == 429


def test_only_so_many_addresses_are_remembered() -> None:
    clock = FakeClock()
    paces = AddressPaces(1, kept_addresses=100, clock=clock)
    for number in range(1000):
        assert paces.spend(f"address {number}")
    assert len(paces) == 100
    assert not paces.allows("address 999")
    assert paces.allows("address 0")
    assert len(paces) == 100, "asking alone must not remember an address"


def test_an_address_in_use_is_not_the_first_to_be_forgotten() -> None:
    paces = AddressPaces(1, kept_addresses=2, clock=FakeClock())
    for address in ("guesser", "a", "guesser", "b", "guesser", "c"):
        paces.spend(address)
    assert not paces.allows("guesser")


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5), "192.0.2.1"),
        (("2001:db8:1:2:aaaa::1", 5), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:bbbb::9", 5), "2001:db8:1:2::/64"),
        (("2001:db8:1:3::1", 5), "2001:db8:1:3::/64"),
        (("fe80::1%eth0", 5), "fe80::/64"),
        (("testclient", 5), "unknown"),
        (None, "unknown"),
    ],
)
def test_addresses(client: tuple[str, int] | None, address: str) -> None:
    scope = {"client": client, "headers": [(b"x-forwarded-for", b"203.0.113.9")]}
    assert address_of(scope) == address
