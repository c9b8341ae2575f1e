"""Three tenants do as they like, with ids of all three: nobody ever sees or changes what is another's.

`AURA_MACHINE_STEPS` sets how many steps are taken in all; a failure is printed as the steps that led to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, Final, TypeAlias

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.server.isolation_world import NAMES, IsolationWorld

STEPS_PER_RUN: Final = 25
STEPS: Final = int(os.environ.get("AURA_MACHINE_STEPS", "75"))

who = st.sampled_from(NAMES)
whose = st.sampled_from(NAMES)
Act: TypeAlias = tuple[str, str, dict[str, object] | None]
"""Method, path and body; `{id}` is what it is done to."""

ACTS: Final[dict[str, tuple[Act, ...]]] = {
    "document": (
        ("GET", "/api/documents/{id}", None),
        ("GET", "/api/documents/{id}/original", None),
        ("PATCH", "/api/documents/{id}", {"audience": "members"}),
    ),
    "key": (("POST", "/api/keys/{id}/rotation", {"overlap_s": 3600}),),
    "user": (("GET", "/api/users/{id}", None), ("PATCH", "/api/users/{id}", {"status": "active"})),
    "session": (("POST", "/api/chat", {"question": "And then?", "session_id": "{id}"}),),
}
"""What can be done to things of a kind without ending them."""
REMOVALS: Final[dict[str, Act]] = {
    "document": ("DELETE", "/api/documents/{id}", None),
    "key": ("DELETE", "/api/keys/{id}", None),
    "user": ("DELETE", "/api/users/{id}", None),
    "widget": ("DELETE", "/api/widgets/{id}", None),
}


class Isolation(RuleBasedStateMachine):
    """Runs on one server, with three tenants of its own."""

    world: ClassVar[IsolationWorld]

    def __init__(self) -> None:
        super().__init__()
        self.world.begin()
        self.turns = 0

    @rule(name=who)
    def upload(self, name: str) -> None:
        text = self.world.text(name)
        answer = self.world.ask(
            name, "POST", "/api/documents/upload", files={"file": (f"{text}.txt", text.encode())}
        )
        self._note(name, "document", answer.is_success and answer.json()["id"])

    @rule(name=who)
    def upload_what_others_have_too(self, name: str) -> None:
        """The same bytes in several tenants are several documents."""
        files = {"file": ("shared.txt", b"Open at nine.")}
        answer = self.world.ask(name, "POST", "/api/documents/upload", files=files)
        self._note(name, "document", answer.is_success and answer.json()["id"])

    @rule(name=who)
    def talk(self, name: str) -> None:
        question = f"What about {self.world.text(name)}?"
        answer = self.world.ask(name, "POST", "/api/chat", json={"question": question})
        self._note(name, "session", answer.is_success and answer.json()["session_id"])

    @rule(name=who)
    def make_a_key(self, name: str) -> None:
        answer = self.world.ask(name, "POST", "/api/keys", json={"label": self.world.text(name)})
        self._note(name, "key", answer.is_success and answer.json()["id"])

    @rule(name=who)
    def make_a_kiosk(self, name: str) -> None:
        body = {"kind": "kiosk", "label": self.world.text(name)}
        answer = self.world.ask(name, "POST", "/api/widgets", json=body)
        self._note(name, "widget", answer.is_success and answer.json()["id"])

    @rule(name=who, whose=whose)
    def invite(self, name: str, whose: str) -> None:
        """People of others too: whether another tenant knows an address is told to nobody."""
        email = self.world.tenants[whose].admin.email
        answer = self.world.ask(name, "POST", "/api/users", json={"email": email, "role": "viewer"})
        if not self.world.tenants[name].suspended:
            assert answer.status_code == (409 if name == whose else 201)

    @rule(name=who, data=st.data())
    def use_ones_own(self, name: str, data: st.DataObject) -> None:
        kind, thing = self._draw(name, ACTS, data)
        act = data.draw(st.sampled_from(ACTS[kind]))
        answer = self._try(name, thing, act)
        if not self.world.tenants[name].suspended:
            # A key that has been replaced once already cannot be replaced again.
            assert answer.status_code in ((201, 409) if kind == "key" else (200,))
        if kind == "key":
            self._note(name, "key", answer.is_success and answer.json()["id"])

    @rule(name=who, data=st.data())
    def remove_ones_own(self, name: str, data: st.DataObject) -> None:
        kind, thing = self._draw(name, REMOVALS, data)
        answer = self._try(name, thing, REMOVALS[kind])
        if not self.world.tenants[name].suspended:
            assert answer.status_code == (409 if kind == "user" else 204)  # the last admin stays
        if answer.status_code == 204:
            self.world.tenants[name].ids[kind].discard(thing)

    @rule(name=who, status=st.sampled_from(["active", "active", "active", "suspended"]))
    def suspend_or_resume(self, name: str, status: str) -> None:
        if (status == "suspended") != self.world.tenants[name].suspended:
            self.world.set_status(name, status)

    @invariant()
    def everybody_has_their_own(self) -> None:
        """Also after somebody has tried to use and to remove something of each kind of somebody else's."""
        self.turns += 1
        owner = NAMES[self.turns % 3]
        intruder = NAMES[(self.turns + 1 + self.turns // 3 % 2) % 3]
        for kind, ids in self.world.tenants[owner].ids.items():
            acts = [*ACTS.get(kind, ()), *([REMOVALS[kind]] if kind in REMOVALS else [])]
            for thing in sorted(ids)[self.turns % len(ids) :][:1] if ids else []:
                answer = self._try(intruder, thing, acts[self.turns % len(acts)])
                if not self.world.tenants[intruder].suspended:
                    assert answer.status_code == 404
                    self.world.refused_as_foreign += 1
        for name in NAMES:
            self.world.expect_all_there(name)

    def _try(self, name: str, thing: str, act: Act) -> httpx.Response:
        method, path, body = act
        sent = body and {key: thing if value == "{id}" else value for key, value in body.items()}
        return self.world.ask(name, method, path.format(id=thing), json=sent)

    def _draw(self, name: str, kinds: Iterable[str], data: st.DataObject) -> tuple[str, str]:
        """Something that a tenant has; people it always has."""
        there = self.world.tenants[name].ids
        kind = data.draw(st.sampled_from([kind for kind in sorted(kinds) if there[kind]]))
        return kind, data.draw(st.sampled_from(sorted(there[kind])))

    def _note(self, name: str, kind: str, made: object) -> None:
        if made and not self.world.tenants[name].suspended:
            self.world.tenants[name].ids[kind].add(str(made))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[IsolationWorld]:
    world = IsolationWorld(tmp_path)
    world.open()
    try:
        yield world
    finally:
        world.close()


def test_nobody_sees_or_changes_what_is_anothers(world: IsolationWorld) -> None:
    Isolation.world = world
    run_state_machine_as_test(
        Isolation,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_PER_RUN),
            stateful_step_count=STEPS_PER_RUN,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{world.requests} requests, {world.refused_as_foreign} for others' things")  # noqa: T201
    assert world.refused_as_foreign > 0
