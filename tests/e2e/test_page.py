"""The talk page in a real browser, on the real server and engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.page_world import (
    Line,
    Served,
    ask_in_writing,
    browser_hearing,
    serve_demo,
    speak_to_file,
    watched_page,
)

pytestmark = [pytest.mark.browser, pytest.mark.engines, pytest.mark.starter, pytest.mark.llama]

PHONE = (390, 844)
ANSWER_MS = 20_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_demo(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture
def line(served: Served) -> Iterator[Line]:
    opened = Line(served.port)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "question.wav"
    return speak_to_file(path, 1.0, "what time does the museum open", 30.0)


def test_a_spoken_question_is_answered_aloud_with_its_source(served: Served, question: Path) -> None:
    address = f"http://127.0.0.1:{served.port}/#key={served.key}"
    with browser_hearing(question) as browser, watched_page(browser, address) as watched:
        page = watched.page
        assert page.url.endswith("/"), "the key stays in the address"
        expect(page.locator("#engines-line")).to_contain_text("whisper-synthetic-tiny")
        state = page.get_by_role("status").filter(has_text="Press to talk")
        expect(state).to_be_visible()
        page.keyboard.press("Space")
        expect(page.locator("#state")).to_have_text("I hear you", timeout=ANSWER_MS)
        expect(page.locator("#state")).to_have_text("Speaking", timeout=ANSWER_MS)
        expect(page.locator(".question")).to_have_text("You: what time does the museum open")
        expect(page.locator(".answer")).to_contain_text("nine in the morning")
        expect(page.locator(".citation").first).to_contain_text("opening_hours.md")
        expect(page.locator(".citation q").first).to_contain_text("nine in the morning")
        expect(page.locator("#state")).to_have_text("I'm listening", timeout=ANSWER_MS)
        expect(page.locator(".timings")).to_contain_text("First sound sent")

        (finished,) = watched.of_type("reply_finished")
        assert finished["heard_text"] == finished["text"]
        # The worklet has played every sample that came, and said so.
        positions = [report["samples"] for report in watched.of_type("played")]
        assert positions == sorted(positions)
        assert positions[-1] * 2 == watched.audio_bytes
        page.keyboard.press("Escape")
        expect(page.locator("#state")).to_have_text("Press to talk")
        watched.wait_until(watched.sockets[0].is_closed, "the goodbye")


def test_an_interrupted_answer_shows_what_was_not_heard(served: Served, question: Path) -> None:
    address = f"http://127.0.0.1:{served.port}/#key={served.key}"
    with browser_hearing(question) as browser, watched_page(browser, address) as watched:
        page = watched.page
        page.get_by_role("button", name="Talk").click()
        expect(page.locator("#state")).to_have_text("Speaking", timeout=ANSWER_MS)
        page.wait_for_timeout(400)
        page.get_by_role("button", name="Interrupt").click()
        expect(page.locator("#state")).to_have_text("I'm listening")
        expect(page.locator(".unheard")).to_be_visible()
        (finished,) = watched.of_type("reply_finished")
        assert finished["cancelled"]
        unheard = page.locator(".unheard").inner_text()
        assert finished["text"].split() == [*finished["heard_text"].split(), *unheard.split()]
        # Typed into the conversation, the next question is answered aloud.
        ask_in_writing(page, "How much is a ticket for an adult?")
        expect(page.locator(".answer").last).to_contain_text("twelve euros", timeout=ANSWER_MS)
        expect(page.locator("#state")).to_have_text("Speaking")
        page.get_by_role("button", name="Interrupt").click()
        expect(page.locator("#state")).to_have_text("I'm listening")
        page.get_by_role("button", name="Stop listening").click()
        expect(page.locator("#state")).to_have_text("Press to talk")


def test_a_cut_line_is_resumed_and_the_answer_heard_whole(served: Served, line: Line, question: Path) -> None:
    address = f"http://127.0.0.1:{line.port}/#key={served.key}"
    with browser_hearing(question) as browser, watched_page(browser, address) as watched:
        page = watched.page
        page.get_by_role("button", name="Talk").click()
        expect(page.locator("#state")).to_have_text("Speaking", timeout=ANSWER_MS)
        line.cut()
        watched.wait_until(lambda: len(watched.sockets) >= 2, "a second connection")
        watched.wait_until(lambda: bool(watched.of_type("reply_finished")), "the end of the answer")
        (first, second) = watched.of_type("start")
        assert second["resume"]
        assert second["from_sample"] > 0
        assert second["last_sequence"] > 0
        assert [ready["resumed"] for ready in watched.of_type("ready")] == [False, True]
        (finished,) = watched.of_type("reply_finished")
        assert (finished["heard_text"], finished["cancelled"]) == (finished["text"], False)
        numbers = [message["sequence"] for message in watched.received if message["type"] != "ready"]
        assert numbers == list(range(2, 2 + len(numbers))), "each message once, in order"
        assert first["key"] == served.key


def test_typing_works_without_a_microphone(served: Served) -> None:
    address = f"http://127.0.0.1:{served.port}/#key={served.key}"
    with browser_hearing(None) as browser, watched_page(browser, address, PHONE, "dark") as watched:
        page = watched.page
        expect(page.get_by_label("Your question")).to_be_visible()
        page.keyboard.press("/")
        expect(page.get_by_label("Your question")).to_be_focused()
        ask_in_writing(page, "How much is a ticket for an adult?")
        expect(page.locator(".answer")).to_contain_text("twelve euros", timeout=ANSWER_MS)
        expect(page.locator(".citation").first).to_contain_text("tickets_and_prices.md")
        page.locator("#talk").click()
        expect(page.get_by_role("alert")).to_contain_text("No microphone was found")
        expect(page.locator("#state")).to_have_text("Press to talk")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width == PHONE[0], "the page scrolls sideways"


def test_a_missing_and_a_wrong_key_are_told_and_mended(served: Served) -> None:
    with (
        browser_hearing(None) as browser,
        watched_page(browser, f"http://127.0.0.1:{served.port}/") as watched,
    ):
        page = watched.page
        watched.expected_statuses.add(401)
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.get_by_text("Use an API key instead").click()
        page.get_by_label("Key").fill("aura_wrong")
        page.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("alert")).to_contain_text("does not know this key")
        page.get_by_label("Key").fill(served.key)
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("#documents-title")).to_contain_text("documents")
        expect(page.get_by_role("alert")).to_be_hidden()


def test_a_document_is_uploaded_answered_from_and_deleted(served: Served) -> None:
    address = f"http://127.0.0.1:{served.port}/#key={served.key}"
    with browser_hearing(None) as browser, watched_page(browser, address) as watched:
        page = watched.page
        page.locator("#documents-title").click()
        text = "# The aquarium\n\nThe octopus in the aquarium is called Ferdinand.\n"
        file = {"name": "<b>aquarium.md", "mimeType": "text/markdown", "buffer": text.encode()}
        page.get_by_label("Add documents").set_input_files(file)  # type: ignore[arg-type]
        row = page.locator(".documents li").filter(has_text="aquarium.md")
        expect(row).to_contain_text("ready", timeout=ANSWER_MS)
        name = row.locator(".name").inner_text()
        ask_in_writing(page, "What is the octopus in the aquarium called?")
        expect(page.locator(".answer")).to_contain_text("Ferdinand", timeout=ANSWER_MS)
        expect(page.locator(".citation").first).to_contain_text(name)

        watched.expected_statuses.add(415)
        broken = {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"\x7fELF" + bytes(60)}
        page.get_by_label("Add documents").set_input_files(broken)  # type: ignore[arg-type]
        expect(page.locator("#upload-status")).to_contain_text("broken.pdf: ")

        row.get_by_role("button").click()
        row.get_by_role("button", name="for good").click()
        expect(row).to_have_count(0)
        expect(page.locator("#documents-title")).to_have_text("18 documents")
