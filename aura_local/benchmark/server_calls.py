"""Plain HTTP to a server under test, by the standard library: enough for figures, no client to depend on."""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import anyio.to_thread

from aura_local.benchmark.server_process import RunningServer

PATIENCE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and decoded JSON of one answer."""

    status: int
    body: Any


async def ask_typed(server: RunningServer, question: str) -> Reply:
    """`POST /api/chat`"""
    body = json.dumps({"question": question}).encode()
    return await _call(server, "/api/chat", body, "application/json")


async def upload(server: RunningServer, name: str, content: bytes) -> Reply:
    """`POST /api/documents/upload`, answered when the document is indexed or has failed."""
    boundary = secrets.token_hex(16)
    head = (
        f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{quote(name)}"\r\n'
        "content-type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    return await _call(server, "/api/documents/upload?wait=true", body, kind)


async def read_metrics(server: RunningServer) -> dict[str, float]:
    """`GET /metrics`: values by name, labels included as they are written there."""
    reply = await _call(server, "/metrics")
    lines = str(reply.body).splitlines()
    samples = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


async def _call(
    server: RunningServer, path: str, body: bytes | None = None, kind: str = "application/json"
) -> Reply:
    headers = {"authorization": f"Bearer {server.key}", "content-type": kind}
    request = urllib.request.Request(server.url + path, data=body, headers=headers)  # noqa: S310 - our own

    def send() -> Reply:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                return Reply(answer.status, _decoded(answer.read()))
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Reply(refusal.code, _decoded(refusal.read()))

    return await anyio.to_thread.run_sync(send)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
