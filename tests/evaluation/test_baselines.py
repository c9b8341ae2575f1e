"""The baselines cut and find as they say."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aura_local.adapters.scripted import ScriptedEmbedder
from aura_local.evaluation.baselines import ChunkSearch, chunks_of, cut_chunks
from aura_local.evaluation.hits import Found, Place
from aura_local.ports import Caller, Priority
from aura_local.retrieval.readers.block import Block

CALLER = Caller("tenant", Priority.CHAT)


def paragraph(text: str, page: int = 0) -> Block:
    return Block("paragraph", text, page=page)


@pytest.mark.parametrize(
    ("characters", "lengths"),
    [(1, [1]), (1000, [1000]), (1001, [1000, 101]), (1900, [1000, 1000]), (1901, [1000, 1000, 101])],
)
def test_chunks_of_1000_characters_overlap_by_100(characters: int, lengths: list[int]) -> None:
    text = "".join(chr(0x4E00 + number) for number in range(characters))
    chunks = [place.text for place in cut_chunks("docs/a.md", [paragraph(text)])]
    assert [len(chunk) for chunk in chunks] == lengths
    assert all(left[-100:] == right[:100] for left, right in pairwise(chunks))
    assert chunks[0] + "".join(chunk[100:] for chunk in chunks[1:]) == text


def test_a_chunk_lies_on_the_pages_that_it_touches() -> None:
    blocks = [paragraph("a" * 899, 3), paragraph("b" * 99, 4), paragraph("c" * 500, 6)]
    # Blocks are joined by a line break: the first chunk ends with the break behind page 4.
    pages = [place.pages for place in cut_chunks("docs/a.pdf", blocks)]
    assert pages == [(3, 4), (4, 6)]
    assert [place.pages for place in cut_chunks("docs/a.md", [paragraph("no pages")])] == [None]


@pytest.mark.anyio
async def test_each_search_finds_what_it_is_good_at() -> None:
    texts = ["Guide dogs may come in.", "The museum opened late.", "Coffee is served at noon."]
    found = [Found(Place("docs/a.md", text), 7) for text in texts]
    search = await ChunkSearch.build(found, ScriptedEmbedder(), CALLER)
    try:
        assert search.by_words("When does it open?", 3) == [found[1]]  # by its stem
        assert search.by_words("When is it?", 3) == []  # stop words alone
        assert search.by_words('NEAR("dogs" OR *', 3)[0] == found[0]  # no syntax of FTS5
        (vector,) = await ScriptedEmbedder().embed(["dogs may come in"], caller=CALLER)
        assert search.by_vectors(vector, 2)[0] == found[0]
        assert len(search.by_vectors(vector, 2)) == 2
    finally:
        search.close()


@pytest.mark.anyio
async def test_documents_that_cannot_be_read_have_no_chunks() -> None:
    documents = {"docs/a.md": b"# Hours\n\nOpen at nine.", "docs/b.pdf": b"MZ\x00\x00 a program"}
    (chunk,) = await chunks_of(documents, ScriptedEmbedder())
    assert chunk.place == Place("docs/a.md", "Hours\nOpen at nine.")
    assert chunk.tokens == 6
    search = await ChunkSearch.build([], ScriptedEmbedder(), CALLER)
    (vector,) = await ScriptedEmbedder().embed(["nine"], caller=CALLER)
    assert search.by_vectors(vector, 3) == search.by_words("nine", 3) == []
    search.close()
