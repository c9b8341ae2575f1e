"""A hub of models on this machine: speaks the hub's HTTP, and does wrong what it is told to.

`/OWNER/NAME/resolve/REVISION/PATH` redirects to the storage with the size and SHA-256 of the file
(`X-Linked-Size`, `X-Linked-Etag`), as hubs do for large files; the storage answers ranges, with a tag of
its own. `/api/models/OWNER/NAME/revision/REVISION` lists the files.
"""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

REPOSITORY = "maker/models"
REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Trouble:
    """What one request for a file meets. Everything else of the answer is as it should be."""

    cut_after: int | None = None
    """Bytes of the body, then the connection is closed."""
    status: int | None = None
    retry_after: str | None = None
    flip: int | None = None
    """This byte of the file is another one."""
    length: int | None = None
    """The file has so many bytes instead."""
    redirect: str | None = None
    """Where the hub sends the client instead of to its storage."""
    ignores_ranges: bool = False
    shifts_range: bool = False
    tag: str | None = None
    """Instead of the storage's tag."""
    claims: str | None = None
    """Instead of the SHA-256."""
    silent: bool = False
    """Says neither size nor SHA-256."""
    piece_bytes: int | None = None
    """The body comes in pieces of so many bytes, each sent by itself: a slow line, without the waiting."""
    holds: bool = False
    """Behind `cut_after` the connection stays open until the hub is told to let go."""


@dataclass
class ModelHub:
    """`files` by path; each request for a file takes the next of its `troubles`, the last ones stay whole."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    troubles: dict[str, deque[Trouble]] = field(default_factory=dict)
    always: dict[str, Trouble] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    holding: threading.Event = field(default_factory=threading.Event)
    """Set when a connection is held."""
    refusing: threading.Event = field(default_factory=threading.Event)
    """Set when a request was answered with an error."""
    let_go: threading.Event = field(default_factory=threading.Event)
    hosts: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def meets(self, path: str, *troubles: Trouble) -> None:
        self.troubles.setdefault(path, deque()).extend(troubles)

    def next_trouble(self, path: str) -> Trouble:
        with self.lock:
            waiting = self.troubles.get(path)
            return waiting.popleft() if waiting else self.always.get(path, Trouble())

    def now(self, path: str) -> Trouble:
        """What the request in hand meets, without taking it."""
        with self.lock:
            waiting = self.troubles.get(path)
            return waiting[0] if waiting else self.always.get(path, Trouble())


@contextmanager
def serving_models(files: dict[str, bytes], tls: ssl.SSLContext | None = None) -> Iterator[ModelHub]:
    hub = ModelHub(files=dict(files))

    class Handler(_Handler):
        models = hub

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # so that closing it waits for all of them
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust the certificate, or that went away: what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models: ModelHub

    def do_GET(self) -> None:
        self.models.requests.append(self.path)
        self.models.hosts.append(self.headers.get("Host", ""))
        self.close_connection = True
        resolved = re.fullmatch(rf"/{REPOSITORY}/resolve/{REVISION}/(.+)", self.path)
        stored = re.fullmatch(r"/storage/(.+)\?signature=secret", self.path)
        if self.path == f"/api/models/{REPOSITORY}/revision/{REVISION}":
            listing = {"sha": REVISION, "siblings": [{"rfilename": name} for name in self.models.files]}
            self._answer(200, json.dumps(listing).encode())
        elif self.path.startswith("/loop"):
            self._answer(302, headers={"Location": "/loop"})
        elif resolved and unquote(resolved[1]) in self.models.files:
            self._resolve(unquote(resolved[1]))
        elif stored and unquote(stored[1]) in self.models.files:
            self._send_file(unquote(stored[1]))
        else:
            self._answer(404)

    def _resolve(self, name: str) -> None:
        trouble, content = self.models.now(name), self.models.files[name]
        if trouble.status is not None or trouble.redirect is not None:
            self.models.next_trouble(name)
        if trouble.status is not None:
            headers = {} if trouble.retry_after is None else {"Retry-After": trouble.retry_after}
            self._answer(trouble.status, b"no", headers)
            self.models.refusing.set()
            return
        headers = {"Location": trouble.redirect or f"/storage/{name}?signature=secret"}
        if not trouble.silent:
            digest = trouble.claims or hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        self._answer(302, headers=headers)

    def _send_file(self, name: str) -> None:
        trouble, content = self.models.next_trouble(name), self.models.files[name]
        if trouble.flip is not None:
            changed = bytearray(content)
            changed[trouble.flip] ^= 0xFF
            content = bytes(changed)
        if trouble.length is not None:
            content = content[: trouble.length].ljust(trouble.length, b"x")
        tag = trouble.tag or f'"storage-{hashlib.md5(content).hexdigest()}"'
        headers, status, start = {"ETag": tag, "Accept-Ranges": "bytes"}, 200, 0
        asked = re.fullmatch(r"bytes=([0-9]+)-", self.headers.get("Range", ""))
        if asked and not trouble.ignores_ranges and self.headers.get("If-Range", tag) == tag:
            self.models.ranges.append(self.headers["Range"])
            start = int(asked[1])
            if start >= len(content):
                self._answer(416, headers={"Content-Range": f"bytes */{len(content)}"})
                return
            start += 1 if trouble.shifts_range else 0
            status, headers["Content-Range"] = 206, f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._answer(status, content[start:], headers, trouble.cut_after, trouble.piece_bytes)
        if trouble.holds:
            self.models.holding.set()
            self.models.let_go.wait()

    def _answer(
        self,
        status: int,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        cut: int | None = None,
        piece_bytes: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            sent = body[:cut]
            for place in range(0, len(sent), piece_bytes or len(sent) or 1):
                self.wfile.write(sent[place : place + (piece_bytes or len(sent))])
            if status in (200, 206):
                self.models.sent_bytes += len(body[:cut])
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client had enough

    def log_message(self, format: str, *arguments: Any) -> None:
        pass
