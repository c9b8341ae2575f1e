"""What a tenant uses is counted on the real engines, and when it is used up the assistant says so aloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.conversation.allowance import USED_UP
from tests.e2e.product_server import QUESTION, Product, serve
from tests.server.voice_client import VoiceClient, voice_client

pytestmark = [pytest.mark.anyio, pytest.mark.engines, pytest.mark.llama, pytest.mark.starter]

TIER = """
[metering]
default_tier = "spent"

[tiers.spent]
text_to_speech_s_per_month = {speech_s}
"""


def with_speech(museum: Path, speech_s: int) -> Path:
    (museum / "home" / "aura.toml").write_text(TIER.format(speech_s=speech_s))
    return museum


async def ask_for_speech(product: Product) -> VoiceClient:
    """A question on the voice socket, with its reply heard to the end."""
    start = {"type": "start", "key": product.key}
    async with voice_client(product.server.socket_url, start) as client:
        await client.until("ready")
        await client.send({"type": "text", "text": QUESTION})
        await client.until("turn_metrics")
    return client


def used(product: Product) -> dict[str, int]:
    rows = product.http.get("/api/usage", params={"by": "kind"}).json()["usage"]
    return {row["kind"]: row["amount"] for row in rows}


async def test_what_is_used_up_is_said_aloud_and_told(copied_museum: Path) -> None:
    with serve(with_speech(copied_museum, 0)) as product:
        client = await ask_for_speech(product)
        (finished,) = client.all("reply_finished")
        (error,) = client.all("error")
        (metrics,) = client.all("turn_metrics")
        assert finished["text"] == finished["heard_text"] == USED_UP
        assert (error["code"], error["retryable"]) == ("quota_exceeded", False)
        assert client.frames, "the sentence was heard"
        assert metrics["work"]["generated_tokens"] == 0
        product.assert_well()  # a typed answer needs no speech


async def test_what_is_used_is_in_the_ledger_and_ends_at_the_limit(copied_museum: Path) -> None:
    with serve(with_speech(copied_museum, 2)) as product:
        first = await ask_for_speech(product)
        (metrics,) = first.all("turn_metrics")
        assert first.all("error") == []
        assert used(product)["text_to_speech_ms"] == metrics["work"]["spoken_ms"] > 1_000
        second = await ask_for_speech(product)
        assert [error["code"] for error in second.all("error")] == ["quota_exceeded"]
