"""`GET /api/search`: ranks and scores, for those who may read documents, of those that they may read."""

from __future__ import annotations

from secrets import token_hex

import httpx
import pytest

from tests.server.conftest import Product
from tests.server.people import SITE, Platform, settled

pytestmark = pytest.mark.anyio
HOURS = b"# Opening hours\n\nThe museum opens at nine every day.\n"
VAULT = b"The vault code of the museum is seven one four.\n"
BOARD = b"The board of the museum meets in the vault on Mondays.\n"
ABOUT_ALL = "museum vault board opens"


async def found(client: httpx.AsyncClient, question: str, **more: str) -> list[str]:
    answer = await client.get("/api/search", params={"q": question, **more})
    assert answer.status_code == 200, answer.text
    return [candidate["document"] for candidate in answer.json()["candidates"]]


async def test_what_would_be_retrieved_and_why(product: Product) -> None:
    document_id = await settled(product.client, "hours.md", HOURS)
    await settled(product.client, "dogs.md", b"Dogs have to wait outside.\n")
    answer = await product.client.get("/api/search", params={"q": "The museum opens at nine?"})
    report = answer.json()
    assert report["answerable"] is (report["relevance"] >= report["threshold"]) is True
    first = report["candidates"][0]
    expected = {"rank": 1, "document_id": document_id, "document": "hours.md", "heading": "Opening hours"}
    expected |= {"vector_rank": 1, "word_rank": 1, "page": None, "sensitivity": "internal"}
    assert {name: first[name] for name in expected} == expected
    assert first["text"] == "The museum opens at nine every day."
    assert first["end_character"] - first["start_character"] == len(first["text"])
    assert first["word_score"] > 0
    assert first["tokens"] == 9
    assert [one["rank"] for one in report["candidates"]] == list(range(1, len(report["candidates"]) + 1))
    assert len(await found(product.client, "The museum, dogs?", limit="1")) == 1
    assert await found(product.other, "The museum opens at nine?") == []


async def test_what_an_answer_cites_is_among_what_is_shown(product: Product) -> None:
    question = "Every day the museum opens at?"
    answer = (await product.client.post("/api/chat", json={"question": question})).json()
    report = (await product.client.get("/api/search", params={"q": question})).json()
    assert report["answerable"] is answer["answered"] is True
    shown = {candidate["passage_id"] for candidate in report["candidates"]}
    assert {citation["passage_id"] for citation in answer["citations"]} <= shown


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"q": " "}, 400, "invalid_request"),
        ({"q": "When?", "limit": "0"}, 400, "invalid_request"),
        ({"q": "When?", "limit": "51"}, 400, "invalid_request"),
        ({"q": "When?", "limit": "-1"}, 400, "invalid_request"),
        ({"q": "When?", "limit": "many"}, 400, "invalid_request"),
    ],
)
async def test_what_is_no_search(product: Product, query: dict[str, str], status: int, code: str) -> None:
    answer = await product.client.get("/api/search", params=query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_question_may_be_as_long_as_in_a_chat(product: Product) -> None:
    longest = product.engine.settings.limits.question_characters
    for characters, status in ((longest, 200), (longest + 1, 413)):
        answer = await product.client.get("/api/search", params={"q": "x" * characters})
        assert answer.status_code == status


async def test_syntax_of_the_word_search_is_just_words(product: Product) -> None:
    for question in ('"', "NEAR(a b", "heading:x OR *", "museum -opens ^'\x00"):
        await found(product.client, question)


async def test_everybody_sees_what_their_audience_sees(platform: Platform) -> None:
    name = token_hex(4)
    tenant = await platform.tenant(name)
    async with (
        await platform.signed_in(tenant, "admin", f"ada@{name}.example") as admin,
        await platform.signed_in(tenant, "viewer", f"vera@{name}.example") as viewer,
        platform.client(await platform.key(tenant)) as key,
        platform.client(await platform.key(tenant, "talk")) as talking_key,
    ):
        await settled(admin, "hours.md", HOURS, "public")
        await settled(admin, "vault.txt", VAULT)
        await settled(admin, "board.txt", BOARD, "admins")
        assert set(await found(admin, ABOUT_ALL)) == {"hours.md", "vault.txt", "board.txt"}
        assert set(await found(viewer, ABOUT_ALL)) == {"hours.md", "vault.txt"}
        assert set(await found(key, ABOUT_ALL)) == {"hours.md", "vault.txt"}
        assert (await talking_key.get("/api/search", params={"q": ABOUT_ALL})).status_code == 403

        widget = (await admin.post("/api/widgets", json={"kind": "widget", "origins": [SITE]})).json()
        on_site = {"origin": SITE}
        async with platform.client() as anonymous:
            body = {"widget": widget["id"]}
            token = (await anonymous.post("/api/visitors", json=body, headers=on_site)).json()["token"]
        async with platform.client(token) as visitor:
            refused = await visitor.get("/api/search", params={"q": ABOUT_ALL}, headers=on_site)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
