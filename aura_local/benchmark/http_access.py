"""HTTP as a client sees it, down to the bytes: for runs that look at all that a server sends. Layer 4."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread

PATIENCE_S: Final = 120.0
CONNECTIONS: Final = 128
JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole."""

    status: int
    headers: bytes
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def done(self) -> bool:
        """Whether the server says that it did what it was asked."""
        return 200 <= self.status < 300


class HttpAccess:
    """Requests with one credential. Every one raises `OSError` when the connection breaks before the end.

    `on_answer` is called with each answer before anybody else sees it.
    """

    def __init__(
        self, url: str, key: str | None = None, *, on_answer: Callable[[Answer], None] | None = None
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._key = key
        self._on_answer = on_answer
        self._connections = anyio.CapacityLimiter(CONNECTIONS)

    async def get(self, path: str, accept: str = JSON) -> Answer:
        return await self._ask("GET", path, None, {"accept": accept})

    async def delete(self, path: str) -> Answer:
        return await self._ask("DELETE", path, None, {})

    async def post(self, path: str, accept: str = JSON, **fields: Any) -> Answer:
        return await self._ask("POST", path, json.dumps(fields).encode(), {"accept": accept})

    async def upload(self, name: str, content: bytes, *, wait: bool = False) -> Answer:
        """One document; `wait` until it is indexed."""
        path = f"/api/documents/upload{'?wait=true' if wait else ''}"
        return await self._send_file("POST", path, name, content)

    async def replace(self, document_id: str, name: str, content: bytes) -> Answer:
        """The next version of a document."""
        return await self._send_file("PUT", f"/api/documents/{document_id}/content", name, content)

    async def _send_file(self, method: str, path: str, name: str, content: bytes) -> Answer:
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{quote(name)}"\r\n'
            "content-type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        return await self._ask(method, path, body, {}, f"multipart/form-data; boundary={boundary}")

    async def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], kind: str = JSON
    ) -> Answer:
        if body is not None:
            headers = {**headers, "content-type": kind}
        if self._key is not None:
            headers = {**headers, "authorization": f"Bearer {self._key}"}
        answer = await anyio.to_thread.run_sync(
            self._exchange, method, path, body, headers, limiter=self._connections
        )
        if self._on_answer is not None:
            self._on_answer(answer)
        return answer

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            lines = "\r\n".join(f"{name}: {value}" for name, value in response.getheaders())
            return Answer(response.status, lines.encode(), response.read())
        except http.client.HTTPException as error:
            raise ConnectionError("The answer broke off.") from error
        finally:
            connection.close()
