"""Signing in on the page, in a real browser and on the real server: links, passwords, tokens, leaving."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.command_line import aura
from tests.e2e.page_world import (
    Served,
    Watched,
    ask_in_writing,
    browser_hearing,
    serve_demo,
    speak_to_file,
    watched_page,
)

pytestmark = [pytest.mark.browser, pytest.mark.engines, pytest.mark.starter, pytest.mark.llama]

TENANT = "Riverside Museum"
PASSWORD = "four words by the river"
ANSWER_MS = 20_000
EXPIRE = """
    const tokens = JSON.parse(sessionStorage.getItem("aura.tokens"));
    sessionStorage.setItem("aura.tokens", JSON.stringify({...tokens, expiresAt_ms: 0}));
"""


@dataclass(frozen=True)
class Museum:
    """A server with the museum's tenant, and the command line on its data."""

    served: Served
    folder: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.served.port}/"

    def user(self, *arguments: str) -> dict[str, Any]:
        run = aura(self.folder, "user", *arguments, "--json")
        assert run.returncode == 0, run.stderr
        answer: dict[str, Any] = json.loads(run.stdout)
        return answer

    def invitation(self, email: str, role: str) -> str:
        """The address that an invited person opens."""
        secret = self.user("invite", email, role, "--tenant", TENANT)["secret"]
        return f"{self.address}#link={secret}"


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Museum]:
    folder = tmp_path_factory.mktemp("museum")
    with serve_demo(folder) as served:
        yield Museum(served, folder)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    speech = tmp_path_factory.mktemp("speech") / "question.wav"
    with browser_hearing(speak_to_file(speech, 1.0, "what time does the museum open", 30.0)) as opened:
        yield opened


def choose_password(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("New password").fill(password)
    page.get_by_label("The same once more").fill(password)
    page.get_by_role("button", name="Go on").click()


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    form = page.get_by_role("form", name="Sign in")
    form.get_by_label("E-mail address").fill(email)
    form.get_by_label("Password").fill(password)
    form.get_by_role("button", name="Sign in").click()


@contextmanager
def joined(museum: Museum, browser: Browser, email: str, role: str = "member") -> Iterator[Watched]:
    """The page of somebody who has just accepted an invitation."""
    with watched_page(browser, museum.invitation(email, role)) as watched:
        page = watched.page
        watched.expected_statuses.add(400)  # the server wants a name as well
        choose_password(page)
        page.get_by_label("Your name").fill(email.partition("@")[0])
        page.keyboard.press("Enter")
        expect(page.locator("#account-line")).to_contain_text(f"{TENANT} · {role}")
        yield watched


def test_the_set_up_link_makes_the_owner_and_works_once(museum: Museum, browser: Browser) -> None:
    address = f"{museum.address}#link={museum.user('setup')['secret']}"
    with watched_page(browser, address) as watched:
        page = watched.page
        assert page.url == museum.address, "the secret stays in the address"
        expect(page.get_by_label("New password")).to_be_focused()
        expect(page.get_by_label("Your name")).to_be_hidden()
        watched.expected_statuses.add(400)
        choose_password(page)
        expect(page.get_by_label("Your name")).to_be_focused()
        expect(page.get_by_role("textbox", name="E-mail address")).to_have_count(0)
        page.get_by_label("Your name").fill("Olga")
        page.keyboard.press("Enter")
        expect(page.get_by_role("textbox", name="E-mail address")).to_be_focused()
        page.get_by_role("textbox", name="E-mail address").fill("olga@example.org")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="You look after this platform")).to_be_focused()
        expect(page.locator("#owner")).to_contain_text("aura tenant")
        expect(page.locator("#account-line")).to_have_text("Olga · owner")
        expect(page.get_by_label("Your question")).to_be_hidden()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    with watched_page(browser, address) as watched:
        page = watched.page
        watched.expected_statuses.add(401)
        choose_password(page)
        expect(page.get_by_role("alert")).to_contain_text("does not work any more")


def test_an_invited_member_asks_talks_and_leaves_nothing_behind(museum: Museum, browser: Browser) -> None:
    with joined(museum, browser, "ada@example.org") as watched:
        page = watched.page
        page.locator("#documents-title").click()
        expect(page.get_by_text("Add documents")).to_be_visible()
        expect(page.get_by_role("button", name="Delete opening_hours.md")).to_be_visible()
        ask_in_writing(page, "How much is a ticket for an adult?")
        expect(page.locator(".answer")).to_contain_text("twelve euros", timeout=ANSWER_MS)
        expect(page.locator(".citation").first).to_contain_text("tickets_and_prices.md")
        page.get_by_role("button", name="Talk").click()
        expect(page.locator(".answer").last).to_contain_text("nine in the morning", timeout=ANSWER_MS)
        (start,) = watched.of_type("start")
        assert start["key"].startswith("ticket_")

        tokens = json.loads(page.evaluate("sessionStorage.getItem('aura.tokens')"))
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        expect(page.locator(".answer")).to_have_count(0)
        assert page.evaluate("sessionStorage.length") == 0
        watched.expected_statuses.add(401)
        again = page.request.post(f"{museum.address}api/refresh", data={"refresh_token": tokens["refresh"]})
        assert again.status == 401, "the server still honours the sign-in"


def test_passwords_are_checked_here_and_told_by_the_server(museum: Museum, browser: Browser) -> None:
    with joined(museum, browser, "bert@example.org"):
        pass
    with watched_page(browser, museum.invitation("carl@example.org", "member")) as watched:
        page = watched.page
        choose_password(page, "too short")
        expect(page.get_by_role("alert")).to_contain_text("12 to 128 characters")
        page.get_by_label("New password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not the same")
    with watched_page(browser, museum.address) as watched:
        page = watched.page
        expect(page.get_by_role("textbox", name="E-mail address")).to_be_focused()
        watched.expected_statuses.add(401)
        sign_in(page, "bert@example.org", "four other words by the river")
        expect(page.get_by_role("alert")).to_contain_text("do not belong together")
        sign_in(page, "bert@example.org")
        expect(page.locator("#account-line")).to_have_text(f"bert · {TENANT} · member")
        page.reload()
        expect(page.locator("#account-line")).to_have_text(f"bert · {TENANT} · member")


def test_an_expired_access_token_is_replaced_once_for_all(museum: Museum, browser: Browser) -> None:
    with joined(museum, browser, "dora@example.org") as watched:
        page = watched.page
        for broken in (EXPIRE, EXPIRE.replace("expiresAt_ms: 0", "access: 'a.b.c'")):
            # Believed to be over, and over though believed to be good.
            watched.expected_statuses.add(401)
            watched.requests.clear()
            page.evaluate(f"() => {{ {broken} }}")
            page.reload()
            expect(page.locator("#documents-title")).to_have_text("18 documents")
            expect(page.locator("#account-line")).to_contain_text("dora")
            assert sum(url.endswith("/api/refresh") for url in watched.requests) == 1
        # A reset ends every sign-in: the next exchange is refused, and says so.
        reset = museum.user("reset", "dora@example.org", "--tenant", TENANT)["secret"]
        with watched_page(browser, f"{museum.address}#link={reset}") as other:
            choose_password(other.page, "five words by the river")
            expect(other.page.locator("#account-line")).to_contain_text("dora")
        ask_in_writing(page, "How much is a ticket for an adult?")
        expect(page.get_by_role("alert")).to_contain_text("Your sign-in has ended")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_duplicated_tab_shares_the_sign_in_and_the_leaving(museum: Museum, browser: Browser) -> None:
    with joined(museum, browser, "emil@example.org") as watched:
        page = watched.page
        with page.expect_popup() as opened:
            page.evaluate("() => { window.open('/') }")
        twin = opened.value
        expect(twin.locator("#account-line")).to_contain_text("emil")
        for tab in (page, twin):
            tab.evaluate(f"() => {{ {EXPIRE} }}")
        ask_in_writing(page, "How much is a ticket for an adult?")
        expect(page.locator(".answer")).to_contain_text("twelve euros", timeout=ANSWER_MS)
        ask_in_writing(twin, "How much is a ticket for an adult?")
        expect(twin.locator(".answer")).to_contain_text("twelve euros", timeout=ANSWER_MS)
        twin.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("alert")).to_contain_text("Your sign-in has ended")


def test_a_viewer_whose_access_is_withdrawn_is_told_while_talking(museum: Museum, browser: Browser) -> None:
    with joined(museum, browser, "fred@example.org", "viewer") as watched:
        page = watched.page
        page.locator("#documents-title").click()
        expect(page.locator(".documents li")).to_have_count(18)
        expect(page.get_by_text("Add documents")).to_be_hidden()
        expect(page.get_by_role("button", name="Delete")).to_have_count(0)
        page.get_by_role("button", name="Talk").click()
        watched.wait_until(lambda: bool(watched.of_type("ready")), "the session")
        museum.user("suspend", "fred@example.org", "--tenant", TENANT)
        expect(page.get_by_role("alert")).to_contain_text("access was withdrawn", timeout=ANSWER_MS)
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        expect(page.locator(".turn")).to_have_count(0)


def test_too_many_attempts_are_told_with_the_time_to_wait(museum: Museum, browser: Browser) -> None:
    with watched_page(browser, museum.address) as watched:
        page = watched.page
        wrong = {"email": "gina@example.org", "password": "not the password"}
        attempts = [page.request.post(f"{museum.address}api/login", data=wrong).status for _ in range(6)]
        assert attempts[-1] == 429
        watched.expected_statuses.add(429)
        sign_in(page, **wrong)
        expect(page.get_by_role("alert")).to_contain_text("15 minutes")
